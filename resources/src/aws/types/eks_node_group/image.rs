//! Machine images of nodes.

use aws_sdk_eks::types::AmiTypes;

use super::EksNodeGroup;
use crate::core::Problem;

/// Checks that the image exists, and that it fits the processors of the instance types.
///
/// Source: <https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateNodegroup.html>, `amiType`.
pub(super) fn check(group: &EksNodeGroup) -> Vec<Problem> {
    let Some(image) = group.ami_type.as_deref() else { return mixed_processors(group).into_iter().collect() };
    if image.contains("${") {
        return Vec::new();
    }
    let images = AmiTypes::values().iter().copied();
    if let Some(problem) = Problem::not_offered(EksNodeGroup::POINTERS.ami_type, image, "image families", "", images) {
        return vec![problem];
    }
    let is_arm_image = image.contains("ARM_64");
    if !is_arm_image && !image.contains("x86_64") {
        return Vec::new();
    }
    let others = group.instance_types.iter().flatten().enumerate().filter(|(_, name)| is_arm(name).is_some_and(|arm| arm != is_arm_image));
    let problem = |(index, name): (usize, &String)| {
        let processor = if is_arm_image { "an x86 processor" } else { "a Graviton processor" };
        let at = EksNodeGroup::POINTERS.instance_types.item(index);
        Problem::new(at, format!("`{name}` has {processor}, which can't run `{image}`")).help("set another `ami_type`, or another type")
    };
    others.map(problem).collect()
}

/// Without an image family, the instance types must have the same processors.
fn mixed_processors(group: &EksNodeGroup) -> Option<Problem> {
    let mut types = group.instance_types.iter().flatten().enumerate().filter_map(|(index, name)| Some((index, name, is_arm(name)?)));
    let (_, first, arm) = types.next()?;
    let (index, other, _) = types.find(|(_, _, other)| *other != arm)?;
    let message = format!("`{first}` and `{other}` need different machine images: one of them has a Graviton processor");
    Some(Problem::new(EksNodeGroup::POINTERS.instance_types.item(index), message).help("use a node group for each"))
}

/// Whether an instance type has an ARM processor: `g` after the generation stands for Graviton. `None` if the name has no generation.
///
/// Source: <https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html>.
fn is_arm(instance_type: &str) -> Option<bool> {
    let (family, _) = instance_type.split_once('.')?;
    let generation = family.find(|c: char| c.is_ascii_digit())?;
    let attributes = family[generation..].trim_start_matches(|c: char| c.is_ascii_digit());
    Some(attributes.contains('g') || family == "a1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_graviton_by_name() {
        for name in ["t4g.medium", "m7gd.large", "im4gn.large", "is4gen.large", "g5g.xlarge", "a1.large", "x2gd.medium", "hpc7g.4xlarge"] {
            assert_eq!(is_arm(name), Some(true), "{name}");
        }
        for name in ["t3.medium", "g4dn.xlarge", "gr6.4xlarge", "m7i-flex.large", "p5en.48xlarge", "u7i-12tb.224xlarge", "c5ad.large"] {
            assert_eq!(is_arm(name), Some(false), "{name}");
        }
        assert_eq!(is_arm("${a.b.c}"), None);
    }
}
