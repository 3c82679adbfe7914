//! Verdicts over logs of the real agent under known faults, over one line of
//! every message, and over excerpts from the wild.

mod cases;
mod lines;
mod shapes;
mod verdict;
mod wild;
