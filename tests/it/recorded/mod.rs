//! Exchanges as AWS documents them, where no stand-in answers so: states on the way, error codes, pages.

mod acm;
mod addresses;
mod balancers;
mod dns;
mod ec2;
mod ecr;
mod eks;
mod eks_inside;
mod iam;
mod in_use;
mod kms;
mod network;
mod pages;
mod rds;
mod restore;
mod s3;
mod secrets;
mod traffic;
