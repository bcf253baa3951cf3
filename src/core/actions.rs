//! The IAM actions that the calls of a resource type need.

/// The IAM actions of a type's calls. Those that change tags are added by the service, but for IAM, whose types have their own.
#[derive(Clone, Copy, Debug)]
pub struct Actions {
    /// The ARN of one, by service and resource: `rds:db:{name}`. `{name}` stands for the physical names of the stack's resources of
    /// this type, `{parent}` for those of its parent's type, `{stack}` for what physical names start with, and `{path}` for the
    /// IAM path.
    pub own: &'static str,
    /// Asked of everything at once: actions that know no resources.
    pub list: &'static [&'static str],
    /// Read one, there or not: by ARN, as what is not there carries no marks.
    pub read: &'static [&'static str],
    /// Make one: with the marks in the request, where the service looks at tags.
    pub create: &'static [&'static str],
    /// Change or delete one that carries the marks, where the service looks at tags.
    pub change: &'static [&'static str],
    /// What else the calls need.
    pub more: &'static [Grant],
}

impl Actions {
    /// Of the type whose ARNs read so.
    pub const fn on(own: &'static str) -> Actions {
        Actions { own, list: &[], read: &[], create: &[], change: &[], more: &[] }
    }
    /// See [`Actions::list`].
    pub const fn list(self, list: &'static [&'static str]) -> Actions {
        Actions { list, ..self }
    }
    /// See [`Actions::read`].
    pub const fn read(self, read: &'static [&'static str]) -> Actions {
        Actions { read, ..self }
    }
    /// See [`Actions::create`].
    pub const fn create(self, create: &'static [&'static str]) -> Actions {
        Actions { create, ..self }
    }
    /// See [`Actions::change`].
    pub const fn change(self, change: &'static [&'static str]) -> Actions {
        Actions { change, ..self }
    }
    /// See [`Actions::more`].
    pub const fn more(self, more: &'static [Grant]) -> Actions {
        Actions { more, ..self }
    }
}

/// Actions on something else than the resource itself.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// The actions.
    pub actions: &'static [&'static str],
    /// On what.
    pub on: On,
    /// Whether planning needs them too.
    pub reads: bool,
    /// Whether only those need them whose definition says `on_delete: delete`.
    pub deletes_data: bool,
}

impl Grant {
    /// For planning.
    pub const fn read(actions: &'static [&'static str], on: On) -> Grant {
        Grant { actions, on, reads: true, deletes_data: false }
    }
    /// For applying.
    pub const fn change(actions: &'static [&'static str], on: On) -> Grant {
        Grant { actions, on, reads: false, deletes_data: false }
    }
    /// For deleting data, where the definition says so.
    pub const fn delete_data(actions: &'static [&'static str], on: On) -> Grant {
        Grant { actions, on, reads: false, deletes_data: true }
    }
}

/// On what an action is allowed.
#[derive(Clone, Copy, Debug)]
pub enum On {
    /// On everything: the action knows no resources.
    Everything,
    /// The same, with the marks in the request.
    Marking,
    /// On these ARNs, see [`Actions::own`].
    Arn(&'static str),
    /// On what resources of this type refer to, if they do, of another type: what carries the stack's marks, or what is named.
    Used(&'static str),
    /// On what resources of this type name by an ARN of this service, if they do.
    Named(&'static str),
    /// The roles that resources of this type refer to, handed to one of these services: for `iam:PassRole`.
    Passed(&'static [&'static str]),
    /// The role of this service, made once in an account: for `iam:CreateServiceLinkedRole`.
    ServiceLinked(&'static str),
}
