//! The Lambda function: its start, and nothing else.

use std::process::ExitCode;

use lambda_runtime::service_fn;
use ssm_agent_triage::config::Config;
use ssm_agent_triage::handler::{Handler, LogLevel, log};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = match Config::from_environment() {
        Ok(config) => config,
        Err(error) => return stop(&error),
    };
    // AWS clients, certificates and patterns wait for the first batch that
    // needs them.
    let handler = match Handler::new(config) {
        Ok(handler) => handler,
        Err(error) => return stop(&error),
    };
    match lambda_runtime::run(service_fn(|event| handler.handle(event))).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => stop(&*error),
    }
}

fn stop(error: &dyn std::error::Error) -> ExitCode {
    log(
        LogLevel::Error,
        format_args!("ssm-agent-triage stops: {error}"),
    );
    ExitCode::FAILURE
}
