//! `file_system_access_point`: an entry to a file system of EFS.

use std::collections::BTreeSet;

use aws_sdk_efs::types::{
    AccessPointDescription, CreationInfo, LifeCycleState, PosixUser as SdkPosixUser, RootDirectory as SdkRootDirectory,
};

use super::{file_system::FileSystem, prelude::*};

/// An entry to a file system, which shows clients one directory of it and acts as one user.
#[spec]
pub struct FileSystemAccessPoint {
    /// File system.
    #[field(replaces, important)]
    pub file_system: Ref<FileSystem>,
    /// User of all operations, whatever user the client has.
    #[field(unset = "the client's", replaces, important, dropped = None)]
    pub posix_user: Option<PosixUser>,
    /// Directory that clients see as the root.
    #[field(default, replaces, important)]
    pub root_directory: RootDirectory,
}

/// A POSIX user.
#[spec]
#[derive(PartialEq)]
pub struct PosixUser {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Ids of further groups.
    #[field(default, length = 0..=16)]
    pub secondary_gids: BTreeSet<u32>,
}

/// A directory of a file system.
#[spec]
#[derive(PartialEq)]
pub struct RootDirectory {
    /// Path, at most four levels deep.
    #[field(default = "/", length = 1..=100, pattern = r"/|(/[^/$#<>;`|&?{}^*\n]+){1,4}")]
    pub path: String,
    /// Owner and permissions with which EFS creates the directory when a client first uses the access point.
    #[field(unset = "EFS does not create the directory", dropped = None)]
    pub creation: Option<DirectoryCreation>,
}

impl Default for RootDirectory {
    fn default() -> RootDirectory {
        RootDirectory { path: "/".into(), creation: None }
    }
}

/// Owner and permissions of a new directory.
#[spec]
#[derive(PartialEq)]
pub struct DirectoryCreation {
    /// User id of the owner.
    pub owner_uid: u32,
    /// Group id of the owner.
    pub owner_gid: u32,
    /// Permissions in octal, in quotes: `"0755"`.
    #[field(pattern = "[0-7]{3,4}")]
    pub permissions: String,
}

impl Resource for FileSystemAccessPoint {
    const TYPE: TypeInfo = TypeInfo::new(
        "file_system_access_point",
        &services::efs::SERVICE,
        "fsap-{hex17}",
        "arn:aws:elasticfilesystem:{region}:{account}:access-point/{id}",
    )
    .without_charge("the files in the file system cost")
    .typical_seconds(5)
    .deletable_while_in_use()
    .quota(10_000, "AccessPointLimitExceeded")
    .not_found("AccessPointNotFound")
    .already_exists("AccessPointAlreadyExists")
    .iam_actions(
        IamActions::new("elasticfilesystem:access-point/*")
            .list(&["elasticfilesystem:DescribeAccessPoints"])
            .change(&["elasticfilesystem:DeleteAccessPoint"])
            .grants(&[IamGrant::change(&["elasticfilesystem:CreateAccessPoint"], GrantTarget::Referenced("file_system"))]),
    );
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let points = aws.efs.describe_access_points().max_results(1000).into_paginator().items().send();
        let points = points.try_collect().await?.into_iter().filter(|point| point.life_cycle_state != Some(LifeCycleState::Deleted));
        scope.collect_owned(points.map(read))
    }

    /// The token is that of this run: an access point with it was created by a call whose response was lost.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.efs.create_access_point().client_token(&cx.call.token).file_system_id(self.file_system.get());
        let user = self.posix_user.as_ref().map(PosixUser::to_sdk).transpose()?;
        let call = call.set_posix_user(user).root_directory(self.root_directory.to_sdk()?);
        match call.set_tags(Some(services::efs::to_tags(&cx.call.tags))).send().await {
            Ok(created) => created.access_point_id.map(Created::Id).ok_or_else(|| Error::missing_field("AccessPointId")),
            Err(refused) => {
                let existing = refused.as_service_error().and_then(|error| match error {
                    aws_sdk_efs::operation::create_access_point::CreateAccessPointError::AccessPointAlreadyExists(exists) => {
                        Some(exists.access_point_id.clone())
                    }
                    _ => None,
                });
                existing.map(Created::Id).ok_or_else(|| refused.into())
            }
        }
    }

    /// Only tags can change.
    async fn update(&self, _: &Cx<'_>, _: &Existing<Self>, _: FileSystemAccessPointChanges) -> Result<()> {
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.efs.delete_access_point().access_point_id(&live.id).send().await)
    }

    fn check(&self) -> Vec<Problem> {
        let is_created_root = self.root_directory.path == "/" && self.root_directory.creation.is_some();
        let at = || Self::POINTERS.root_directory.field(RootDirectory::POINTERS.creation);
        let problem = || Problem::new(at(), "the root of the file system exists already").help("set another `path`");
        is_created_root.then(problem).into_iter().collect()
    }
}

/// The ids of POSIX have 32 bits.
fn id(number: i64) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}

impl PosixUser {
    fn to_sdk(&self) -> Result<SdkPosixUser> {
        let groups = Some(self.secondary_gids.iter().map(|gid| i64::from(*gid)).collect::<Vec<_>>()).filter(|groups| !groups.is_empty());
        Ok(SdkPosixUser::builder().uid(self.uid.into()).gid(self.gid.into()).set_secondary_gids(groups).build()?)
    }
    fn from_sdk(user: SdkPosixUser) -> PosixUser {
        PosixUser { uid: id(user.uid), gid: id(user.gid), secondary_gids: user.secondary_gids.into_iter().flatten().map(id).collect() }
    }
}

impl RootDirectory {
    fn to_sdk(&self) -> Result<SdkRootDirectory> {
        let creation = self.creation.as_ref().map(|creation| {
            let info = CreationInfo::builder().owner_uid(creation.owner_uid.into()).owner_gid(creation.owner_gid.into());
            info.permissions(&creation.permissions).build()
        });
        Ok(SdkRootDirectory::builder().path(&self.path).set_creation_info(creation.transpose()?).build())
    }
    fn from_sdk(directory: SdkRootDirectory) -> RootDirectory {
        let creation = directory.creation_info.map(|info| DirectoryCreation {
            owner_uid: id(info.owner_uid),
            owner_gid: id(info.owner_gid),
            permissions: info.permissions,
        });
        RootDirectory { path: directory.path.unwrap_or_else(|| "/".into()), creation }
    }
}

fn read(point: AccessPointDescription) -> Result<Observed<FileSystemAccessPoint>> {
    let id = point.access_point_id.ok_or_else(|| Error::missing_field("AccessPointId"))?;
    let phase = match point.life_cycle_state {
        Some(LifeCycleState::Error) => Phase::Failed("error".into()),
        Some(state) => Phase::from_status(state.as_str()),
        None => Phase::Ready,
    };
    let spec = FileSystemAccessPoint {
        file_system: Ref::to(point.file_system_id.ok_or_else(|| Error::missing_field("FileSystemId"))?),
        posix_user: point.posix_user.map(PosixUser::from_sdk),
        root_directory: point.root_directory.map(RootDirectory::from_sdk).unwrap_or_default(),
    };
    let tags = services::efs::from_tags(point.tags.as_deref().unwrap_or_default());
    let arn = point.access_point_arn.ok_or_else(|| Error::missing_field("AccessPointArn"))?;
    Ok(Observed::new(id, tags, spec, ArnOutput { arn }).phase(phase))
}
