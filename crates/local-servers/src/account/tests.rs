use super::{Account, named};

#[test]
fn a_user_is_found_by_its_whole_name() {
    let users = "root:x:0:0:root:/root:/bin/bash\n\
                 postgresql:x:5:6::/:/bin/sh\n\
                 postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\n";
    let found = named(users, "postgres");
    assert_eq!(found, Some(Account { uid: 101, gid: 104 }));
    assert_eq!(named(users, "nobody"), None);
}
