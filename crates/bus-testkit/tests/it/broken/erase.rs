//! erase
