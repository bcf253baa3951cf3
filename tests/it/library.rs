//! The library, used without the command line: the example program.

use crate::{acme::write_file, plan_and_apply::plan_and_apply};

#[tokio::test]
async fn example_program_plans_and_applies() {
    let folder = tempfile::tempdir().unwrap();
    let text = "stack: small\nregion: eu-west-1\nresources: { vpc: { main: { cidr: 10.0.0.0/16 } } }\n";
    let file = write_file(folder.path(), "stack.yaml", text);
    let cloud = folder.path().join("cloud");
    assert!(plan_and_apply(&file, &cloud).await.unwrap() >= 4, "a run starts, plans, runs its steps and ends");
    let acme = crate::acme::Acme::local(&cloud);
    acme.assert_no_changes(&file);
}
