//! Keys and secrets within their recovery window.

use super::*;

#[tokio::test]
async fn a_deleted_secret_keeps_its_name_until_its_window_ends() {
    let cloud = new_cloud();
    let (secret, spec) = (resource_type("secret"), json!({ "name": "shop-token", "description": "first", "recovery_window_days": 7 }));
    let id = cloud.create("secret", "secret.token", spec.clone()).await.unwrap();
    cloud.simulator.delete(secret, (None, &id), OnDelete::Retain).await.unwrap();
    assert_eq!(cloud.list("secret").await[0].phase, Phase::Deleting);
    assert!(cloud.simulator.dump().is_empty());
    let taken = cloud.create_with_token("secret", "secret.token", "another", spec.clone()).await;
    assert_eq!(rejection(taken).1, "InvalidRequestException");
    let changed = cloud.simulator.update(secret, (None, &id), &spec, &["/description".into()]).await;
    assert_eq!(rejection(changed).1, "InvalidRequestException");
    assert_eq!(cloud.restore("secret", "secret.token", &id, spec.clone()).await.unwrap(), id);
    assert_eq!(cloud.list("secret").await[0].phase, Phase::Ready);
    // Without a window, and after it, the name is free.
    cloud.simulator.delete(secret, (None, &id), OnDelete::Delete).await.unwrap();
    let second = cloud.create_with_token("secret", "secret.token", "another", spec.clone()).await.unwrap();
    cloud.simulator.delete(secret, (None, &second), OnDelete::Retain).await.unwrap();
    cloud.simulator.with_inner(|inner| {
        let _held = inner.store.lock().unwrap();
        let entry = inner.store.state.of_type("secret").find(|entry| entry.id == second).cloned().unwrap();
        let (asked, gone) = entry.deletion.unwrap();
        assert_eq!(gone - asked, 7 * 24 * 3600 * 1000);
        inner.store.write(SimulatedResource { deletion: Some((asked, asked)), ..entry }).unwrap();
    });
    assert_eq!(rejection(cloud.restore("secret", "secret.token", &second, spec.clone()).await).0, ErrorKind::NotFound);
    cloud.create_with_token("secret", "secret.token", "a third", spec).await.unwrap();
}

#[tokio::test]
async fn a_deleted_key_loses_its_alias_and_can_be_restored() {
    let cloud = new_cloud();
    let (key, spec) = (resource_type("kms_key"), json!({ "name": "alias/shop" }));
    let id = cloud.create("kms_key", "kms_key.data", spec.clone()).await.unwrap();
    cloud.simulator.update(key, (None, &id), &spec, &["/name".into()]).await.unwrap();
    cloud.simulator.delete(key, (None, &id), OnDelete::Delete).await.unwrap();
    let deleted = &cloud.list("kms_key").await[0];
    assert_eq!((&deleted.phase, &deleted.spec["name"]), (&Phase::Deleting, &json!(null)), "even the shortest window is a week");
    let encrypted = json!({ "name": "shop-files", "kms_key": { "arn": deleted.outputs["arn"] } });
    assert_eq!(rejection(cloud.create("secret", "secret.token", encrypted.clone()).await).1, "KMSInvalidStateException");
    assert_eq!(cloud.restore("kms_key", "kms_key.data", &id, spec.clone()).await.unwrap(), id);
    cloud.simulator.update(key, (None, &id), &spec, &["/name".into()]).await.unwrap();
    cloud.create("secret", "secret.token", encrypted).await.unwrap();
}
