//! The stream that a connection runs on: TCP, or TLS by rustls with ring.

use std::io;
use std::sync::Arc;

use bus_log::{LogError, Result};
use bus_remote::roots;
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::{Address, RedisConfig, TLS_WANTED};

/// Bytes to a server and back.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Opens streams as the configuration asks.
pub(crate) struct Streams(Option<TlsConnector>);

impl Streams {
    /// # Errors
    ///
    /// `Invalid` if the certificates to trust can't be read, or TLS was not asked for.
    pub(crate) fn of(config: &RedisConfig) -> Result<Self> {
        if !config.has_tls() {
            if config.tls_ca().is_some() {
                return Err(LogError::invalid(TLS_WANTED));
            }
            return Ok(Self(None));
        }
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| LogError::internal("no TLS version").with_source(error))?
            .with_root_certificates(roots(config.tls_ca())?)
            .with_no_client_auth();
        Ok(Self(Some(TlsConnector::from(Arc::new(client)))))
    }

    /// # Errors
    ///
    /// The system's, or those of the TLS handshake.
    pub(crate) async fn open(&self, address: &Address) -> io::Result<Box<dyn Stream>> {
        let tcp = TcpStream::connect((address.host.as_str(), address.port)).await?;
        // Each call is flushed as a whole: what would wait for more waits in vain.
        tcp.set_nodelay(true)?;
        let Some(tls) = &self.0 else {
            return Ok(Box::new(tcp));
        };
        let name = ServerName::try_from(address.host.clone()).map_err(io::Error::other)?;
        Ok(Box::new(tls.connect(name, tcp).await?))
    }
}
