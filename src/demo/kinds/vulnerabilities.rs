//! Published flaws that Inspector finds: the ids, packages and scores are public facts, the words ours. The versions
//! are examples of an affected and a fixed one.

use crate::demo::kinds::Class;
use crate::model::finding::Severity;

/// One published flaw in one package.
#[derive(Debug)]
pub(in crate::demo) struct Vulnerability {
    pub(in crate::demo) id: &'static str,
    pub(in crate::demo) severity: Severity,
    /// CVSS 3.1 base score.
    pub(in crate::demo) score: f64,
    pub(in crate::demo) class: Class,
    pub(in crate::demo) package: &'static str,
    pub(in crate::demo) installed: &'static str,
    pub(in crate::demo) fixed: &'static str,
    /// ASFF's word for where the package comes from.
    pub(in crate::demo) manager: &'static str,
    pub(in crate::demo) title: &'static str,
    pub(in crate::demo) why: &'static str,
}

macro_rules! flaws {
    ($($id:literal $severity:ident $score:literal $class:ident $package:literal $installed:literal $fixed:literal $manager:literal $why:literal;)+) => {
        pub(in crate::demo) const VULNERABILITIES: &[Vulnerability] = &[$(Vulnerability {
            id: $id,
            severity: Severity::$severity,
            score: $score,
            class: Class::$class,
            package: $package,
            installed: $installed,
            fixed: $fixed,
            manager: $manager,
            title: concat!($id, " - ", $package),
            why: concat!($package, " ", $installed, ": ", $why, "."),
        }),+];
    };
}

flaws! {
    "CVE-2021-44228" Critical 10.0 Function "log4j-core" "2.14.1" "2.17.1" "JAVA" "remote code by logged text";
    "CVE-2024-3094" Critical 10.0 Image "xz-utils" "5.6.1" "5.6.1+really5.4.5" "OS" "backdoor in the released sources";
    "CVE-2022-22965" Critical 9.8 Image "spring-beans" "5.3.17" "5.3.18" "JAVA" "remote code by data binding";
    "CVE-2022-42889" Critical 9.8 Function "commons-text" "1.9" "1.10.0" "JAVA" "remote code by text interpolation";
    "CVE-2023-38545" Critical 9.8 Instance "curl" "7.88.1" "8.4.0" "OS" "heap overflow in the SOCKS5 handshake";
    "CVE-2022-37434" Critical 9.8 Image "zlib" "1.2.12" "1.2.13" "OS" "heap overflow in inflate";
    "CVE-2023-45853" Critical 9.8 Image "zlib1g" "1.2.13" "1.3.1" "OS" "integer overflow in MiniZip";
    "CVE-2022-48174" Critical 9.8 Image "busybox" "1.34.1" "1.36.1" "OS" "stack overflow in the shell";
    "CVE-2019-12900" Critical 9.8 Image "bzip2" "1.0.6" "1.0.8" "OS" "out-of-bounds write in decompression";
    "CVE-2023-28531" Critical 9.8 Instance "openssh" "9.2p1" "9.3p1" "OS" "smartcard keys added without their limits";
    "CVE-2024-6387" High 8.1 Instance "openssh" "9.6p1" "9.8p1" "OS" "race in a signal handler before sign-in";
    "CVE-2023-4911" High 7.8 Instance "glibc" "2.37" "2.38" "OS" "overflow in the loader's tunables";
    "CVE-2022-0847" High 7.8 Instance "kernel" "5.10.96" "5.10.102" "OS" "write to read-only files through pipes";
    "CVE-2021-4034" High 7.8 Instance "polkit" "0.112" "0.120" "OS" "root by pkexec's arguments";
    "CVE-2021-3156" High 7.8 Instance "sudo" "1.8.23" "1.9.5p2" "OS" "heap overflow in sudoedit";
    "CVE-2023-44487" High 7.5 Image "nghttp2" "1.43.0" "1.57.0" "OS" "load by rapid HTTP/2 resets";
    "CVE-2022-3602" High 7.5 Image "openssl" "3.0.2" "3.0.7" "OS" "overflow in certificate names";
    "CVE-2023-0286" High 7.4 Image "openssl" "1.1.1n" "1.1.1t" "OS" "type confusion in certificate names";
    "CVE-2022-0778" High 7.5 Instance "openssl" "1.1.1k" "1.1.1n" "OS" "endless loop on a crafted curve";
    "CVE-2023-5363" High 7.5 Image "openssl" "3.0.8" "3.0.12" "OS" "wrong key and IV lengths";
    "CVE-2022-1271" High 8.8 Image "gzip" "1.10" "1.12" "OS" "file overwrite by zgrep";
    "CVE-2023-29491" High 7.8 Image "ncurses" "6.3" "6.4" "OS" "memory corruption by terminfo";
    "CVE-2022-29458" High 7.1 Image "ncurses" "6.2" "6.3" "OS" "out-of-bounds read in tic";
    "CVE-2024-2961" High 7.3 Instance "glibc" "2.36" "2.39" "OS" "overflow in iconv";
    "CVE-2023-43804" High 8.1 Function "urllib3" "1.26.15" "1.26.17" "PYTHON" "cookies follow redirects to others";
    "CVE-2021-33503" High 7.5 Function "urllib3" "1.26.4" "1.26.5" "PYTHON" "slow pattern on addresses";
    "CVE-2021-23337" High 7.2 Function "lodash" "4.17.20" "4.17.21" "NODE" "command injection by template";
    "CVE-2020-8203" High 7.4 Function "lodash" "4.17.15" "4.17.20" "NODE" "prototype pollution by zipObjectDeep";
    "CVE-2022-25883" High 7.5 Image "semver" "7.3.8" "7.5.2" "NODE" "slow pattern on ranges";
    "CVE-2024-21538" High 7.5 Function "cross-spawn" "7.0.3" "7.0.5" "NODE" "slow pattern on arguments";
    "CVE-2024-4068" High 7.5 Image "braces" "3.0.2" "3.0.3" "NODE" "memory by unbalanced braces";
    "CVE-2023-31484" High 8.1 Image "perl" "5.34.1" "5.38.0" "OS" "CPAN client does not check certificates";
    "CVE-2023-7104" High 7.3 Image "sqlite" "3.40.1" "3.43.1" "OS" "overflow in the session extension";
    "CVE-2022-24765" High 7.8 Image "git" "2.30.2" "2.35.2" "OS" "commands from a shared folder";
    "CVE-2023-50387" High 7.5 Instance "bind" "9.16.23" "9.16.48" "OS" "load by crafted DNSSEC answers";
    "CVE-2023-48795" Medium 5.9 Instance "openssh" "8.7p1" "9.6p1" "OS" "handshake can be cut short";
    "CVE-2024-0727" Medium 5.5 Image "openssl" "3.0.11" "3.0.13" "OS" "crash on PKCS12 files";
    "CVE-2023-6129" Medium 6.5 Image "openssl" "3.0.11" "3.0.13" "OS" "wrong state after POLY1305 on PowerPC";
    "CVE-2023-3446" Medium 5.3 Image "openssl" "1.1.1t" "1.1.1v" "OS" "slow check of large DH keys";
    "CVE-2023-3817" Medium 5.3 Image "openssl" "1.1.1t" "1.1.1v" "OS" "slow check of DH values";
    "CVE-2023-2650" Medium 6.5 Instance "openssl" "1.1.1t" "1.1.1u" "OS" "slow object identifiers";
    "CVE-2024-28182" Medium 5.3 Image "nghttp2" "1.57.0" "1.61.0" "OS" "load by continuation frames";
    "CVE-2023-42366" Medium 5.5 Image "busybox" "1.36.1" "1.36.1-r15" "OS" "overflow in awk";
    "CVE-2023-32681" Medium 6.1 Function "requests" "2.28.2" "2.31.0" "PYTHON" "proxy credentials leak on redirect";
    "CVE-2024-35195" Medium 5.6 Function "requests" "2.31.0" "2.32.0" "PYTHON" "certificate check stays off";
    "CVE-2022-40897" Medium 5.9 Function "setuptools" "65.5.0" "65.5.1" "PYTHON" "slow pattern on package pages";
    "CVE-2024-37891" Medium 4.4 Function "urllib3" "1.26.18" "1.26.19" "PYTHON" "proxy header follows redirects";
    "CVE-2023-26136" Medium 6.5 Image "tough-cookie" "4.1.2" "4.1.3" "NODE" "prototype pollution by cookies";
    "CVE-2016-2781" Low 3.9 Image "coreutils" "8.32" "9.0" "OS" "escape from chroot by terminal input";
    "CVE-2023-4641" Low 3.3 Image "shadow" "4.8.1" "4.14.0" "OS" "password stays in memory";
    "CVE-2022-3219" Low 3.3 Image "gnupg2" "2.2.27" "2.4.0" "OS" "slow parsing of crafted signatures";
    "CVE-2013-4235" Low 3.1 Image "shadow" "4.8.1" "4.13.0" "OS" "race when copying folders";
}
