//! Key specs, and the usages that they allow.

use super::{read::key_id, *};

#[test]
fn serializes_specs_and_usages_as_aws_spells_them() {
    for name in aws_sdk_kms::types::KeySpec::values() {
        assert!(from_aws::<KeySpec>(name).is_ok_and(|spec| to_aws(&spec) == *name), "{name}");
    }
    for name in aws_sdk_kms::types::KeyUsageType::values() {
        assert!(from_aws::<KeyUsage>(name).is_ok_and(|usage| to_aws(&usage) == *name), "{name}");
    }
}

#[test]
fn reports_usages_that_a_key_is_not_for() {
    let problems = |spec: &str, usage: &str| {
        let key = serde_json::json!({ "key_spec": spec, "key_usage": usage, "rotation": false });
        serde_json::from_value::<KmsKey>(key).expect("a key").check().into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
    };
    let fitting = [
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
        ("RSA_2048", "SIGN_VERIFY"),
        ("ECC_NIST_P384", "KEY_AGREEMENT"),
        ("HMAC_256", "GENERATE_VERIFY_MAC"),
        ("ML_DSA_65", "SIGN_VERIFY"),
        ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE"),
        ("SM2", "KEY_AGREEMENT"),
    ];
    for (spec, usage) in fitting {
        assert_eq!(problems(spec, usage), [""; 0], "{spec} {usage}");
    }
    let unfit = [
        ("SYMMETRIC_DEFAULT", "SIGN_VERIFY"),
        ("HMAC_256", "ENCRYPT_DECRYPT"),
        ("RSA_2048", "KEY_AGREEMENT"),
        ("ECC_SECG_P256K1", "KEY_AGREEMENT"),
        ("ECC_NIST_EDWARDS25519", "KEY_AGREEMENT"),
        ("ML_KEM_512", "ENCRYPT_DECRYPT"),
    ];
    for (spec, usage) in unfit {
        assert_eq!(problems(spec, usage), ["/key_usage"], "{spec} {usage}");
    }
}

#[test]
fn reads_key_ids_from_arns_of_this_region() {
    assert_eq!(key_id("arn:aws:kms:eu-west-1:1:key/mrk-0", "eu-west-1"), Some("mrk-0"));
    assert_eq!(key_id("arn:aws:kms:eu-west-2:1:key/0", "eu-west-1"), None);
    assert_eq!(key_id("arn:aws:s3:::shop", "eu-west-1"), None);
}
