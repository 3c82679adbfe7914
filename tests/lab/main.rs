//! Verdicts over logs of the real agent under known faults, over one line of
//! every message, and over excerpts from the wild.

mod article;
mod cases;
mod foreign;
mod golden;
mod lines;
mod shapes;
mod splits;
mod verdict;
mod wild;
mod wrapped;
