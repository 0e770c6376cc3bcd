//! Initial RAM disks in the kernel's format: cpio archives of the kind `newc`, as described in
//! `Documentation/driver-api/early-userspace/buffer-format.rst`.

/// A file of an initial RAM disk: its path, which is without a leading slash, and its content.
pub type Member = (&'static str, Vec<u8>);

const DIRECTORY: u32 = 0o040_755;
const EXECUTABLE: u32 = 0o100_755;

/// An archive of these files, and of the directory that each is in. The files are executable
/// and belong to root.
pub fn archive(members: &[Member]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut directories: Vec<_> = members
        .iter()
        .filter_map(|(path, _)| path.rsplit_once('/'))
        .map(|(directory, _)| directory)
        .collect();
    directories.dedup();
    for directory in directories {
        add(&mut archive, DIRECTORY, directory, &[]);
    }
    for (path, content) in members {
        add(&mut archive, EXECUTABLE, path, content);
    }
    add(&mut archive, 0, "TRAILER!!!", &[]);
    archive
}

fn add(archive: &mut Vec<u8>, mode: u32, path: &str, content: &[u8]) {
    let (inode, owner, group, links, time, device) = (0, 0, 0, 1, 0, 0);
    archive.extend(b"070701");
    for field in [inode, mode, owner, group, links, time] {
        archive.extend(format!("{field:08x}").bytes());
    }
    archive.extend(format!("{:08x}", content.len()).bytes());
    for field in [device; 4] {
        archive.extend(format!("{field:08x}").bytes());
    }
    // The name ends with a NUL, and is followed by a checksum that this format does not have.
    archive.extend(format!("{:08x}{:08x}{path}\0", path.len() + 1, 0).bytes());
    pad(archive);
    archive.extend(content);
    pad(archive);
}

/// A header and a content each begin at a multiple of four.
fn pad(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_laid_out_as_cpio_does_it() {
        let bytes = archive(&[("init", b"text!".to_vec()), ("boot/a", vec![])]);
        let header = |mode: &str, links: u32, len: u32, name: u32| {
            format!(
                "07070100000000{mode}0000000000000000{links:08x}00000000{len:08x}{:032}{name:08x}00000000",
                0
            )
        };
        let expected = [
            &header("000041ed", 1, 0, 5),
            "boot\0\0",
            &header("000081ed", 1, 5, 5),
            "init\0\0text!\0\0\0",
            &header("000081ed", 1, 0, 7),
            "boot/a\0\0\0\0",
            &header("00000000", 1, 0, 11),
            "TRAILER!!!\0\0\0\0",
        ];
        assert_eq!(String::from_utf8(bytes), Ok(expected.concat()));
    }
}
