//! The file log from outside: what is on the disk, what survives, who may write.

mod basics;
mod child;
mod damage;
mod erase;
mod full;
mod groups;
mod laws;
mod locks;
mod names;
mod rewrite;
mod support;
mod torn;
