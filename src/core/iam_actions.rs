//! The IAM actions that the calls of a resource type need.

/// The IAM actions of a type's calls. Those that change tags are added by the service, but for IAM, whose types have their own.
#[derive(Clone, Copy, Debug)]
pub struct IamActions {
    /// The ARN of one, by service and resource: `rds:db:{name}`. `{name}` stands for the physical names of the stack's resources of
    /// this type, `{parent}` for those of its parent's type, `{stack}` for what physical names start with, and `{path}` for the
    /// IAM path.
    pub arn: &'static str,
    /// Asked of everything at once: actions that know no resources.
    pub list: &'static [&'static str],
    /// Read one, there or not: by ARN, as what is not there carries no marks.
    pub read: &'static [&'static str],
    /// Make one: with the marks in the request, where the service looks at tags.
    pub create: &'static [&'static str],
    /// Change or delete one that carries the marks, where the service looks at tags.
    pub change: &'static [&'static str],
    /// What else the calls need.
    pub grants: &'static [IamGrant],
}

impl IamActions {
    /// Of the type whose ARNs read so.
    pub const fn new(arn: &'static str) -> IamActions {
        IamActions { arn, list: &[], read: &[], create: &[], change: &[], grants: &[] }
    }
    /// See [`Actions::list`].
    pub const fn list(self, list: &'static [&'static str]) -> IamActions {
        IamActions { list, ..self }
    }
    /// See [`Actions::read`].
    pub const fn read(self, read: &'static [&'static str]) -> IamActions {
        IamActions { read, ..self }
    }
    /// See [`Actions::create`].
    pub const fn create(self, create: &'static [&'static str]) -> IamActions {
        IamActions { create, ..self }
    }
    /// See [`Actions::change`].
    pub const fn change(self, change: &'static [&'static str]) -> IamActions {
        IamActions { change, ..self }
    }
    /// See [`Actions::more`].
    pub const fn grants(self, more: &'static [IamGrant]) -> IamActions {
        IamActions { grants: more, ..self }
    }
}

/// Actions on something else than the resource itself.
#[derive(Clone, Copy, Debug)]
pub struct IamGrant {
    /// The actions.
    pub actions: &'static [&'static str],
    /// On what.
    pub target: GrantTarget,
    /// Whether planning needs them too.
    pub needed_for_plan: bool,
    /// Whether only those need them whose definition says `on_delete: delete`.
    pub deletes_data: bool,
}

impl IamGrant {
    /// For planning.
    pub const fn read(actions: &'static [&'static str], on: GrantTarget) -> IamGrant {
        IamGrant { actions, target: on, needed_for_plan: true, deletes_data: false }
    }
    /// For applying.
    pub const fn change(actions: &'static [&'static str], on: GrantTarget) -> IamGrant {
        IamGrant { actions, target: on, needed_for_plan: false, deletes_data: false }
    }
    /// For deleting data, where the definition says so.
    pub const fn delete_data(actions: &'static [&'static str], on: GrantTarget) -> IamGrant {
        IamGrant { actions, target: on, needed_for_plan: false, deletes_data: true }
    }
}

/// On what an action is allowed.
#[derive(Clone, Copy, Debug)]
pub enum GrantTarget {
    /// On everything: the action knows no resources.
    AllResources,
    /// The same, with the marks in the request.
    TagOnCreate,
    /// On these ARNs, see [`Actions::own`].
    Arn(&'static str),
    /// On what resources of this type refer to, if they do, of another type: what carries the stack's marks, or what is named.
    Referenced(&'static str),
    /// On what resources of this type name by an ARN of this service, if they do.
    NamedByArn(&'static str),
    /// The roles that resources of this type refer to, handed to one of these services: for `iam:PassRole`.
    PassRole(&'static [&'static str]),
    /// The role of this service, made once in an account: for `iam:CreateServiceLinkedRole`.
    ServiceLinkedRole(&'static str),
}
