import Foundation

/// Writes files so that a reader finds the old one or the new one, and a failure leaves the old one as it was.
package enum AtomicFile {
  /// Writes a file by way of another beside it, which takes its place when it is complete.
  ///
  /// A link is followed, the permissions of a file that is replaced are kept. A device or pipe is written directly.
  ///
  /// - Parameter body: gets a function that appends bytes.
  /// - Throws: ``FileError/notWritten(path:reason:)``, and what `body` throws.
  package static func write(
    to path: String, _ body: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    var target = path
    var status = stat()
    let exists = stat(path, &status) == 0
    if exists {
      if status.st_mode & S_IFMT == S_IFDIR { throw FileError.notWritten(path: path, reason: "it is a folder") }
      guard status.st_mode & S_IFMT == S_IFREG else {
        return try write(opening: path, flags: O_WRONLY, path, body)
      }
      if let resolved = realpath(path, nil) {
        target = String(cString: resolved)
        free(resolved)
      }
    }
    let folder = (target as NSString).deletingLastPathComponent
    let temporary =
      (folder.isEmpty ? "" : folder + "/")
      + ".\((target as NSString).lastPathComponent.prefix(100)).\(getpid()).\(UInt32.random(in: 0...UInt32.max))"
    do {
      try write(opening: temporary, flags: O_WRONLY | O_CREAT | O_EXCL, path, body)
      if exists { chmod(temporary, status.st_mode & 0o7777) }
      guard rename(temporary, target) == 0 else {
        throw FileError.notWritten(path: path, reason: systemMessage())
      }
    } catch {
      unlink(temporary)
      throw error
    }
  }

  /// Writes a file of bytes that are at hand.
  package static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws {
    try write(to: path) { append in try append(bytes) }
  }

  private static func write(
    opening file: String, flags: Int32, _ path: String,
    _ body: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    let descriptor = open(file, flags | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileError.notWritten(path: path, reason: systemMessage()) }
    var isOpen = true
    defer { if isOpen { close(descriptor) } }
    try body { bytes in
      guard var next = bytes.baseAddress else { return }
      var left = bytes.count
      while left > 0 {
        let written = Foundation.write(descriptor, next, left)
        if written < 0 && errno == EINTR { continue }
        guard written > 0 else { throw FileError.notWritten(path: path, reason: systemMessage()) }
        next += written
        left -= written
      }
    }
    // Without this a crash of the system may leave the new name with none of the contents. Pipes and devices refuse
    // it.
    if fsync(descriptor) != 0, errno != EINVAL, errno != EROFS, errno != ENOTSUP {
      throw FileError.notWritten(path: path, reason: systemMessage())
    }
    isOpen = false
    guard close(descriptor) == 0 else { throw FileError.notWritten(path: path, reason: systemMessage()) }
  }
}
