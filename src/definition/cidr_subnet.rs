//! The function `cidrsubnet`.

use ipnet::IpNet;

/// Returns the `index`-th subnet of `cidr` with a prefix longer by `newbits`.
///
/// # Errors
/// Fails if `cidr` is not valid or the subnet does not fit.
pub fn cidr_subnet(cidr: &str, newbits: u64, index: u64) -> Result<String, String> {
    let net: IpNet = cidr.parse().map_err(|_| format!("`{cidr}` is not a CIDR block such as 10.0.0.0/16"))?;
    let prefix = u64::from(net.prefix_len()).saturating_add(newbits);
    if prefix > u64::from(net.max_prefix_len()) {
        return Err(format!("{net} has no room for a /{prefix}"));
    }
    if newbits < 64 && index >> newbits != 0 {
        return Err(format!("{net} has only {} /{prefix} ranges, so index {index} does not exist", 1u64 << newbits));
    }
    let shift = u64::from(net.max_prefix_len()) - prefix;
    Ok(match net {
        IpNet::V4(net) => format!(
            "{}/{prefix}",
            std::net::Ipv4Addr::from(u32::from(net.network()) | ((index as u32).checked_shl(shift as u32).unwrap_or(0)))
        ),
        IpNet::V6(net) => format!(
            "{}/{prefix}",
            std::net::Ipv6Addr::from(u128::from(net.network()) | u128::from(index).checked_shl(shift as u32).unwrap_or(0))
        ),
    })
}
