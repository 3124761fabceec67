import Foundation

/// Temporary files of processes that were killed before they could remove them.
///
/// A file that is being written is locked until its process ends, however it ends. One that is not locked is left over.
enum LeftOvers {
  private static let prefix = Array(".instnorm-".utf8)

  static func newName(in folder: [UInt8]) -> [CChar] {
    let name = folder + [UInt8(ascii: "/")] + prefix + Array("\(getpid())-\(UInt64.random(in: 0...UInt64.max))".utf8)
    return name.map { CChar(bitPattern: $0) } + [0]
  }

  /// Marks a new file as being written.
  ///
  /// - Returns: false when the file has been removed meanwhile.
  static func lock(_ descriptor: Int32) -> Bool {
    // There are file systems without locks; there nothing is taken for left over.
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0 { return errno != EWOULDBLOCK }
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.st_nlink > 0
  }

  /// Removes what this user's processes have left over in a folder. That it can't is no fault of who writes there.
  static func remove(from folder: [UInt8]) {
    guard let listing = opendir(folder.map { CChar(bitPattern: $0) } + [0]) else { return }
    defer { closedir(listing) }
    while let entry = readdir(listing) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { $0.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } }
      if isTemporary(name) { remove(name + [0], in: dirfd(listing)) }
    }
  }

  /// Whether a name is one that ``newName(in:)`` gives.
  private static func isTemporary(_ name: [CChar]) -> Bool {
    let bytes = name.map { UInt8(bitPattern: $0) }
    guard bytes.starts(with: prefix) else { return false }
    let parts = bytes.dropFirst(prefix.count).split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    return parts.count == 2 && parts.allSatisfy { !$0.isEmpty && $0.allSatisfy(digits.contains) }
  }

  private static func remove(_ name: [CChar], in folder: Int32) {
    // O_NONBLOCK: the name may have been given to a pipe.
    let descriptor = openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(),
      flock(descriptor, LOCK_EX | LOCK_NB) == 0
    else { return }
    // The writer may have given the file its final name between the two calls, and its own lock up.
    var named = stat()
    guard fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0, named.st_ino == status.st_ino,
      named.st_dev == status.st_dev
    else { return }
    unlinkat(folder, name, 0)
  }
}
