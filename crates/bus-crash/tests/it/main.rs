//! The sweeps, on the embedded log and on logs that they must find out.

mod caught;
mod embedded;
mod forgiving;
mod process;
mod toy;
