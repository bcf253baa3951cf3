//! Exchanges as AWS documents them, for behaviour that no stand-in has: intermediate states, error codes, pages.

mod acm;
mod blockers;
mod denials;
mod dns;
mod dynamodb;
mod ec2;
mod ecr;
mod eks;
mod eks_auto_mode;
mod eks_components;
mod elastic_ips;
mod iam;
mod kms;
mod listeners_and_firewalls;
mod load_balancers;
mod network;
mod pagination;
mod preflight;
mod preflight_databases;
mod preflight_mistakes;
mod rds;
mod rds_delete;
mod rds_restore;
mod s3;
mod secrets;
mod unmanaged;
