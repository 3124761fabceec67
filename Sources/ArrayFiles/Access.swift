import CArrayFiles
import Foundation

/// Who may do what with a file that takes another's place.
enum Access {
  /// Gives a new file the permissions of an old one: its mode, its access list and, where the system allows it, its
  /// group and owner. Where it does not, nobody gets more than before.
  ///
  /// Bits of the mode beyond 0777 are not taken over: they were given to the old contents.
  ///
  /// - Returns: false when the system refuses, which then says why in `errno`.
  static func copy(of old: stat, _ name: [CChar], to descriptor: Int32) -> Bool {
    var new = stat()
    guard fstat(descriptor, &new) == 0 else { return false }
    let keepsGroup =
      (old.st_uid == new.st_uid && old.st_gid == new.st_gid)
      || fchown(descriptor, old.st_uid, old.st_gid) == 0
      || fchown(descriptor, uid_t.max, old.st_gid) == 0
    var mode = old.st_mode & 0o777
    if !keepsGroup {
      // Those of the old group are now among all others, who may have had more; those of the new group were among them.
      let both = (mode >> 3) & mode & 0o7
      mode = mode & 0o700 | both << 3 | both
    }
    guard arrayfiles_has_access_list(name) else { return fchmod(descriptor, mode) == 0 }
    // With an access list, the group's bits of the mode are only the most that anybody in the list may do.
    return fchmod(descriptor, mode & 0o700) == 0
      && (!keepsGroup || arrayfiles_copy_access_list(name, descriptor) || fchmod(descriptor, mode & 0o700) == 0)
  }
}
