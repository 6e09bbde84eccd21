//! The promised names, used as a framework would use them: this file is to keep compiling.

mod framework;
mod promised;
