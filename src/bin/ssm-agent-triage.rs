//! The command-line tool: its start, and nothing else.

fn main() -> std::process::ExitCode {
    ssm_agent_triage::cli::run()
}
