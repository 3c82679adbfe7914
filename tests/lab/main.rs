//! Verdicts over logs of the real agent under known faults, over one line of
//! every message, and over excerpts from the wild.

mod article;
mod bounds;
mod cases;
mod copied;
mod cut;
mod deliveries;
mod environments;
mod foreign;
mod generations;
mod golden;
mod lines;
mod operator;
mod others;
mod panics;
mod pastes;
mod pastes_hosts;
mod people;
mod shapes;
mod splits;
mod states;
mod verdict;
mod wild;
mod wrapped;
mod wrappers;
mod wrapping;
