//! The apiproxy process.

fn main() {}
