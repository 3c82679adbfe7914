//! What the host itself lacks: time, space, memory, the right to write or run.

use super::Step;
use super::case::Case;

pub(super) fn clock_skew(case: &Case) -> Vec<Step> {
    let mut steps = vec![
        Step::run(
            "AWS refuses signatures that are more than five minutes off. How far off is the \
             clock?",
            "date -u; chronyc tracking",
        ),
        Step::run(
            "Take the time from Amazon's own source, which every EC2 instance reaches (Linux; \
             Debian and Ubuntu: /etc/chrony/chrony.conf, service chrony):",
            "echo 'server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4' | \
             sudo tee -a /etc/chrony.conf && sudo systemctl restart chronyd && \
             sudo chronyc makestep",
        ),
        Step::run(
            "The same on Windows (PowerShell as Administrator):",
            "w32tm /config /manualpeerlist:169.254.169.123 /syncfromflags:manual /update; \
             w32tm /resync",
        ),
    ];
    if case.is_hybrid() {
        steps.push(Step::say(
            "Outside EC2 that address does not answer: use the site's time server instead.",
        ));
    }
    steps.extend(case.restart());
    steps
}

pub(super) fn disk_full(case: &Case) -> Vec<Step> {
    let mut steps = vec![
        Step::run(
            "Space or inodes? The same error stands for both:",
            "df -h /var/lib/amazon/ssm /var/log/amazon/ssm /tmp; \
             df -i /var/lib/amazon/ssm /var/log/amazon/ssm /tmp",
        ),
        Step::run(
            "What takes it?",
            "sudo du -xh --max-depth=2 /var | sort -h | tail -15",
        ),
        Step::run(
            "The agent's own leavings: documents and logs of runs that are over may go.",
            "sudo du -sh /var/lib/amazon/ssm/*/document/orchestration /var/log/amazon/ssm",
        ),
        Step::run(
            "Windows (PowerShell):",
            "Get-PSDrive -PSProvider FileSystem; \
             Get-ChildItem \"$env:ProgramData\\Amazon\\SSM\" -Recurse -File | \
             Sort-Object Length -Descending | Select-Object -First 15 Length, FullName",
        ),
        Step::say(
            "If both have room left, it is the limit on inotify watches, which reports the same \
             words: see fs.inotify below /proc/sys.",
        ),
    ];
    steps.extend(case.restart());
    steps
}

pub(super) fn read_only(case: &Case) -> Vec<Step> {
    let mut steps = vec![
        Step::run(
            "Which file system is read-only, and why? The kernel turns one read-only after an \
             error:",
            "findmnt -o TARGET,SOURCE,OPTIONS -T /var/lib/amazon/ssm; \
             sudo dmesg -T | grep -iE 'remount|I/O error|EXT4-fs|XFS' | tail",
        ),
        Step::run(
            "Without an error in the kernel's log, make it writable again:",
            "sudo mount -o remount,rw \"$(findmnt -no TARGET -T /var/lib/amazon/ssm)\"",
        ),
        Step::say("With one, take a snapshot of the volume before anything is repaired on it."),
    ];
    steps.extend(case.restart());
    steps
}

pub(super) fn inotify_exhausted(case: &Case) -> Vec<Step> {
    let mut steps = vec![
        Step::run(
            "Show the limits, and who holds the most instances:",
            "sysctl fs.inotify; \
             sudo find /proc/[0-9]*/fd -lname anon_inode:inotify 2>/dev/null | \
             cut -d/ -f3 | sort | uniq -c | sort -rn | head",
        ),
        Step::run(
            "Raise them, now and after a reboot:",
            "printf 'fs.inotify.max_user_instances=1024\\nfs.inotify.max_user_watches=524288\\n' | \
             sudo tee /etc/sysctl.d/60-inotify.conf && sudo sysctl --system",
        ),
    ];
    steps.extend(case.restart());
    steps
}

pub(super) fn permission(case: &Case) -> Vec<Step> {
    let mut steps = vec![
        Step::run(
            "The agent runs as root and owns its folders; something took a right away. Show \
             owners, modes, and what SELinux or AppArmor denied (Linux):",
            "sudo ls -ldZ /var/lib/amazon/ssm /var/log/amazon/ssm /etc/amazon/ssm; \
             sudo ausearch -m avc -ts recent 2>/dev/null | tail; \
             sudo dmesg | grep -i apparmor | tail",
        ),
        Step::run(
            "Give the folders back to root:",
            "sudo chown -R root:root /var/lib/amazon/ssm /var/log/amazon/ssm && \
             sudo chmod 755 /var/lib/amazon /var/lib/amazon/ssm /var/log/amazon/ssm",
        ),
        Step::run(
            "Windows (PowerShell): the service must run as LocalSystem, and SYSTEM must own the folder:",
            "sc.exe qc AmazonSSMAgent; icacls \"$env:ProgramData\\Amazon\\SSM\"",
        ),
        Step::say(
            "An antivirus or hardening agent that locks the folder must except it: see its own log.",
        ),
    ];
    steps.extend(case.restart());
    steps
}

pub(super) fn memory(case: &Case) -> Vec<Step> {
    let mut steps = vec![
        Step::run(
            "Did the kernel kill something for want of memory, and who takes it?",
            "sudo dmesg -T | grep -iE 'out of memory|oom-kill' | tail -5; free -m; \
             ps aux --sort=-rss | head -8",
        ),
        Step::run(
            "Does a limit of the service itself stop it?",
            "systemctl show amazon-ssm-agent -p MemoryMax -p MemoryHigh -p TasksMax -p LimitNOFILE",
        ),
        Step::say("Free memory, add swap, or take a larger instance type."),
    ];
    steps.extend(case.restart());
    steps
}

pub(super) fn noexec(case: &Case) -> Vec<Step> {
    let mut steps = vec![
        Step::run(
            "The agent and its scripts must be allowed to run. Which of these file systems is \
             mounted noexec?",
            "for d in /usr/bin /var/lib/amazon/ssm /tmp; do \
             findmnt -no TARGET,OPTIONS -T $d; done",
        ),
        Step::run(
            "Allow it, and change the same line of /etc/fstab for the next boot:",
            "sudo mount -o remount,exec \"$(findmnt -no TARGET -T /var/lib/amazon/ssm)\"",
        ),
        Step::say(
            "Where that is hardening on purpose, or an allow-list of programs stops the worker, \
             except /usr/bin/ssm-*-worker and /var/lib/amazon/ssm.",
        ),
    ];
    steps.extend(case.restart());
    steps
}
