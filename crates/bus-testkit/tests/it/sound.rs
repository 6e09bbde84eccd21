//! A sound log passes every law with no part skipped; the in-memory log's own laws are `bus-log`'s.

use crate::broken::Store;

bus_testkit::laws!(store, Store::sound);
