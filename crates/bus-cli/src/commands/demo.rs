use crate::logs::LogArgs;
use crate::output::Out;
use clap::Args;
use std::process::ExitCode;
#[derive(Args)]
pub(crate) struct DemoArgs {}
pub(crate) async fn run(_log: &LogArgs, _out: &mut Out) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
