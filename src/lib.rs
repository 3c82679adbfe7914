//! Tells why the AWS Systems Manager Agent of a node stopped working.

#![forbid(unsafe_code)]

pub mod advice;
#[cfg(feature = "aws")]
pub mod aws;
pub mod batch;
pub mod command;
pub mod config;
pub mod decode;
pub mod diagnose;
pub mod engine;
pub mod failure;
#[cfg(feature = "aws")]
pub mod handler;
pub mod incident;
pub mod node;
pub mod notify;
pub mod receive;
pub mod record;
pub mod repair;
pub mod report;
pub mod signature;
pub mod trust_policy;
