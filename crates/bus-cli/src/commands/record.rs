use crate::logs::Logs;
use clap::Args;
use std::process::ExitCode;
#[derive(Args)]
pub(crate) struct RecordArgs {}
pub(crate) async fn run(_logs: &Logs, _args: &RecordArgs) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
