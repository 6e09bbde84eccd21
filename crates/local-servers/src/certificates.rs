//! Certificates for a server of a test's own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::told;

/// A server's certificate, made by `openssl`, and who signed it.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The certificate of the authority that signed the server's.
    pub authority: PathBuf,
    /// That of one that did not.
    pub foreign: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// Its key. Who made it can read it; a server that runs as another user is to be given it.
    pub key: PathBuf,
}

impl Certificates {
    /// Makes them in a folder, for a server of that name, such as `localhost`.
    ///
    /// # Errors
    ///
    /// If `openssl` is not there, with what it says if it fails, or if nothing can be written there.
    pub fn make(folder: &Path, name: &str) -> io::Result<Self> {
        fs::write(folder.join("names"), format!("subjectAltName=DNS:{name}"))?;
        for authority in ["ca", "foreign"] {
            openssl(
                folder,
                &format!(
                    "req -x509 -newkey rsa:2048 -nodes -keyout {authority}.key -out {authority}.pem -days 2 -subj \
                     /CN={authority}"
                ),
            )?;
        }
        openssl(
            folder,
            &format!("req -newkey rsa:2048 -nodes -keyout own.key -out own.csr -subj /CN={name}"),
        )?;
        openssl(
            folder,
            "x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out own.pem -days 2 -extfile names",
        )?;
        Ok(Self {
            authority: folder.join("ca.pem"),
            foreign: folder.join("foreign.pem"),
            certificate: folder.join("own.pem"),
            key: folder.join("own.key"),
        })
    }
}

fn openssl(folder: &Path, arguments: &str) -> io::Result<()> {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments.split(' '));
    told(command.stdin(Stdio::null()).output()?, "openssl")
}
