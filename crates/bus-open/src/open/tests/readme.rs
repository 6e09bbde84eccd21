use std::sync::Arc;
use bus_open::{LogUrl, Result, ShippingLog};

async fn open() -> Result<Arc<ShippingLog>> {
    let local = bus_open::open("sessions").await?;
    // It may be away while the program starts.
    let remote = LogUrl::parse("postgres://bus@db.example.org/agents")?.open_later();
    Ok(Arc::new(ShippingLog::new(local, remote)?))
}
