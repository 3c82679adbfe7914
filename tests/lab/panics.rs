//! Go's own text of a crash, cut after each of its lines: another program's is
//! none of the agent's, however its batches end, and the agent's is not lost.

use super::pastes::pasted;
use super::shapes::{at_once, in_batches, lines};
use super::verdict::{actionable, assert_none, summary};

/// Lines of a program, and how it dies.
const OTHERS: [(&str, &str, &str); 12] = [
    (
        "kubelet",
        "I1126 04:19:04.100012    2373 server.go:467] \"Kubelet version\" kubeletVersion=\"v1.29.3\"\nE1126 04:19:05.120001    2373 reflector.go:147] Failed to watch *v1.Node: the server was unable to return a response in time",
        "fatal error: concurrent map read and map write\n\ngoroutine 213 [running]:\nk8s.io/kubernetes/pkg/kubelet.(*Kubelet).syncLoop(0xc000a3c000)\n\t/go/src/k8s.io/kubernetes/pkg/kubelet/kubelet.go:2289 +0x1f2\ncreated by k8s.io/kubernetes/pkg/kubelet.(*Kubelet).Run in goroutine 1\n\t/go/src/k8s.io/kubernetes/pkg/kubelet/kubelet.go:1500 +0x6ca",
    ),
    (
        "etcd",
        "{\"level\":\"info\",\"ts\":\"2026-11-26T04:19:04.100Z\",\"caller\":\"etcdmain/etcd.go:73\",\"msg\":\"Running: \"}\n{\"level\":\"panic\",\"ts\":\"2026-11-26T04:19:05.100Z\",\"caller\":\"backend/backend.go:189\",\"msg\":\"failed to open database\"}",
        "panic: runtime error: slice bounds out of range [:8] with capacity 4\n\ngoroutine 1 [running]:\nruntime.panicmem(...)\n\t/usr/local/go/src/runtime/panic.go:260\ngo.etcd.io/bbolt.(*DB).page(...)\n\t/go/pkg/mod/go.etcd.io/bbolt@v1.3.8/db.go:911\nmain.main()\n\tserver/main.go:32 +0x1d",
    ),
    (
        "caddy",
        "2026/11/26 04:19:04.100\tINFO\tusing adjacent Caddyfile\n2026/11/26 04:19:04.102\tINFO\tadmin\tadmin endpoint started\t{\"address\": \"localhost:2019\"}",
        "panic: assignment to entry in nil map\n\ngoroutine 34 [running]:\ngithub.com/caddyserver/caddy/v2/modules/caddyhttp.(*App).Provision(0xc00041a000)\n\tgithub.com/caddyserver/caddy/v2@v2.7.6/modules/caddyhttp/app.go:188 +0x40c",
    ),
    (
        "telegraf",
        "2026-11-26T04:19:04Z I! Loading config: /etc/telegraf/telegraf.conf\n2026-11-26T04:19:04Z W! [inputs.disk] Current agent interval",
        "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x18 pc=0x2a8f3c1]\n\ngoroutine 97 [running]:\ngithub.com/influxdata/telegraf/plugins/inputs/disk.(*Disk).Gather(0xc0004c8000)\n\t/go/src/github.com/influxdata/telegraf/plugins/inputs/disk/disk.go:51 +0x21",
    ),
    (
        "prometheus",
        "ts=2026-11-26T04:19:04.100Z caller=main.go:539 level=info msg=\"No time or size retention was set\"\nts=2026-11-26T04:19:05.001Z caller=head.go:761 level=info component=tsdb msg=\"WAL segment loaded\"",
        "unexpected fault address 0x7f1c2b5f0000\nfatal error: fault\n[signal SIGBUS: bus error code=0x2 addr=0x7f1c2b5f0000 pc=0x46c1d2]\n\ngoroutine 301 [running]:\nruntime.throw({0x2f1a3c0?, 0x8?})\n\t/usr/local/go/src/runtime/panic.go:1047 +0x5d fp=0xc000d1c10 sp=0xc000d1be0 pc=0x437c9d\nruntime.sigpanic()\n\t/usr/local/go/src/runtime/signal_unix.go:834 +0x125 fp=0xc000d1c80 sp=0xc000d1c10 pc=0x44dde5\ngithub.com/prometheus/prometheus/tsdb/index.(*Reader).Postings(0xc00041c000)\n\t/app/tsdb/index/index.go:1501 +0x9f fp=0xc000d1e20 sp=0xc000d1c80 pc=0x8b2f1f",
    ),
    (
        "OpenTelemetry collector",
        "2026-11-26T04:19:04.100Z\tinfo\tservice@v0.96.0/telemetry.go:55\tSetting up own telemetry...\n2026-11-26T04:19:04.103Z\twarn\tinternal@v0.96.0/warning.go:42\tUsing the 0.0.0.0 address",
        "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nruntime.gopark(0xc00011e0d0?, 0x2?, 0x0?, 0x0?, 0x0?)\n\t/usr/local/go/src/runtime/proc.go:398 +0xce\ngo.opentelemetry.io/collector/otelcol.(*Collector).Run(0xc000a3c000)\n\t/go/pkg/mod/go.opentelemetry.io/collector/otelcol@v0.96.0/collector.go:279 +0x7c5",
    ),
    (
        "a program that runs out of memory",
        "4:19AM INF listening addr=:8080\n4:19AM WRN cache is full entries=1048576",
        "fatal error: runtime: out of memory\n\nruntime stack:\nruntime.throw({0xe5d2a1, 0x16})\n\t/usr/local/go/src/runtime/panic.go:1047 +0x5d\nruntime.sysMapOS(0xc004000000, 0x4000000)\n\t/usr/local/go/src/runtime/mem_linux.go:187 +0x11b\n\ngoroutine 1 [running]:\nruntime.systemstack_switch()\n\t/usr/local/go/src/runtime/asm_amd64.s:474 +0x8\nmain.main()\n\t/app/main.go:71 +0x4a5",
    ),
    (
        "a program of plain words",
        "Starting queue worker 0.42.0\nconnected to broker",
        "panic: send on closed channel\n\ngoroutine 51 [running]:\nmain.(*worker).push(...)\n\t/app/worker.go:58\ncreated by main.run in goroutine 1\n\t/app/main.go:44 +0x85",
    ),
    (
        "a program with Go's logger",
        "2026/11/26 04:19:04 listening on :8080\n2026/11/26 04:19:05 http: TLS handshake error from 10.0.0.9:40112: EOF",
        "panic: interface conversion: interface {} is nil, not string\n\ngoroutine 18 [running]:\nmain.handler.func1({0x7f3c80, 0xc00012e000})\n\t/app/main.go:12 +0x1d\nexit status 2",
    ),
    (
        "a program with slog",
        "time=2026-11-26T04:19:04.100Z level=INFO msg=listening addr=:8080",
        "panic: close of nil channel\n\ngoroutine 7 [running]:\nmain.stop()\n\t/app/main.go:90 +0x1d",
    ),
    (
        "a program with zap",
        "2026-11-26T04:19:04.100Z\tINFO\tcmd/root.go:51\tlistening\t{\"addr\": \":8080\"}\nINFO\tcmd/root.go:52\tready",
        "panic: sync: negative WaitGroup counter\n\ngoroutine 7 [running]:\nsync.(*WaitGroup).Add(0xc0001140f0, 0xffffffffffffffff)\n\t/usr/local/go/src/sync/waitgroup.go:62 +0xd8\nmain.stop()\n\t/app/main.go:90 +0x1d",
    ),
    (
        "a program without a line before",
        "",
        "panic: runtime error: index out of range [3] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:12 +0x1d\nexit status 2",
    ),
];

const BEFORE: &str = "2026-11-26 04:19:04.1001 INFO [ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health.\n2026-11-26 04:19:05.1001 INFO [ssm-agent-worker] [MessageService] [Association] Schedule manager refreshed with 0 associations, 0 new associations associated";

/// How the agent dies, with what names it.
const AGENT: [&str; 3] = [
    "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x8a3b1c]\n\ngoroutine 71 [running]:\ngithub.com/aws/amazon-ssm-agent/agent/framework/processor.(*EngineProcessor).Stop(0xc000a3c000)\n\t/codebuild/output/src/github.com/aws/amazon-ssm-agent/agent/framework/processor/processor.go:297 +0x9a\ncreated by main.startAgent in goroutine 1\n\t/codebuild/output/src/github.com/aws/amazon-ssm-agent/core/agent.go:201 +0x1d",
    "fatal error: concurrent map writes\n\ngoroutine 88 [running]:\nruntime.throw({0x9a7f31?, 0x0?})\n\t/usr/local/go/src/runtime/panic.go:1047 +0x5d\ngithub.com/aws/amazon-ssm-agent/agent/docmanager.(*DocumentFileMgr).PersistDocumentState(0xc0001140f0)\n\t/codebuild/output/src/github.com/aws/amazon-ssm-agent/agent/docmanager/docmanager.go:58 +0x9f",
    "fatal error: runtime: out of memory\n\nruntime stack:\nruntime.throw({0xe5d2a1, 0x16})\n\t/usr/local/go/src/runtime/panic.go:1047 +0x5d\nruntime.sysMapOS(0xc004000000, 0x4000000)\n\t/usr/local/go/src/runtime/mem_linux.go:187 +0x11b\n\ngoroutine 1 [select]:\nmain.blockUntilSignaled({0x7f3c80, 0xc00012e000})\n\t/codebuild/output/src/github.com/aws/amazon-ssm-agent/core/agent.go:158 +0x1d",
];

/// What stands around a line: its name, and how it is put on.
type Cover = (&'static str, fn(&str) -> String);

/// As a line comes by itself, and in what most containers' logs do.
const COVERS: [Cover; 4] = [
    ("bare", str::to_owned),
    ("json-file", |line| {
        format!(
            "{{\"log\":{},\"stream\":\"stderr\",\"time\":\"2026-11-26T04:19:06.1Z\"}}",
            serde_json::json!(format!("{line}\n"))
        )
    }),
    ("CRI", |line| {
        format!("2026-11-26T04:19:06.100000000Z stderr F {line}")
    }),
    ("a container's journal", |line| {
        format!(
            "Nov 26 04:19:06 ip-10-0-1-20 dockerd[1820]: {}",
            line.replace('\t', "#011")
        )
    }),
];

fn is_crash(reading: &ssm_agent_triage::correlate::stream::BatchAnalysis) -> bool {
    actionable(reading)
        .iter()
        .any(|one| one.0.contains("agent-crash") || one.0.contains("host-memory"))
}

#[test]
fn another_programs_crash_is_none_of_the_agents_wherever_it_is_cut() {
    let mut wrong = Vec::new();
    for (program, before, crash) in OTHERS {
        for (cover, put) in COVERS {
            let pieces: Vec<String> = (lines(before).iter().chain(&lines(crash)))
                .map(|line| put(line))
                .collect();
            let mut readings = Vec::new();
            for size in 1..=pieces.len() {
                let all = in_batches(&pieces, size);
                readings.extend(
                    all.into_iter()
                        .map(|one| (format!("batches of {size}"), one)),
                );
                // What stands alone may be the agent's.
                if !before.is_empty() {
                    let cut = &pieces[..size];
                    readings.push((format!("{size} lines"), at_once(cut)));
                    readings.push((format!("{size} pasted"), pasted(&cut.join("\n"))));
                }
            }
            for (shape, reading) in readings {
                if !actionable(&reading).is_empty() {
                    wrong.push(format!(
                        "{program} ({cover}, {shape}): {:?}",
                        summary(&reading)
                    ));
                }
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn the_agents_crash_is_not_lost_wherever_it_is_cut() {
    let mut wrong = Vec::new();
    for (number, crash) in AGENT.iter().enumerate() {
        for (cover, put) in COVERS {
            let pieces: Vec<String> = lines(crash).iter().map(|line| put(line)).collect();
            let log: Vec<String> = (lines(BEFORE).iter().map(|line| put(line)))
                .chain(pieces.iter().cloned())
                .collect();
            for size in 1..=log.len() {
                if !in_batches(&log, size).iter().any(is_crash) {
                    wrong.push(format!(
                        "{number} ({cover}): lost after the agent's lines in batches of {size}"
                    ));
                }
            }
            for size in 1..=pieces.len() {
                if !in_batches(&pieces, size).iter().any(is_crash) {
                    wrong.push(format!("{number} ({cover}): lost in batches of {size}"));
                }
                let cut = &pieces[..size];
                let has_stack = cut
                    .iter()
                    .any(|line| line.contains("goroutine ") || line.contains("runtime stack:"));
                // Every program has such a function: its file tells whose.
                let is_anybodys = cut.last().is_some_and(|line| line.contains("main."));
                if has_stack && !is_anybodys && !is_crash(&at_once(cut)) {
                    wrong.push(format!("{number} ({cover}): lost in {size} lines"));
                }
            }
        }
    }
    assert_none(&wrong);
}
