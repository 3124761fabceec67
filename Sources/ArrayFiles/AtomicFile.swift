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
    let target = try destination(of: path)
    try check(target, path)
    var status = stat()
    let exists = stat(target, &status) == 0
    if exists, status.st_mode & S_IFMT != S_IFREG {
      return try write(opening: target, flags: O_WRONLY, path, body)
    }
    let folder = (target as NSString).deletingLastPathComponent
    let temporary =
      (folder.isEmpty ? "" : folder + "/") + ".instnorm-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
    partial.withLock { _ = $0.insert(temporary) }
    defer { partial.withLock { _ = $0.remove(temporary) } }
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

  /// Refuses what is known beforehand not to be writable.
  ///
  /// - Throws: ``FileError/notWritten(path:reason:)``.
  package static func check(_ path: String) throws {
    try check(destination(of: path), path)
  }

  private static func check(_ target: String, _ path: String) throws {
    var status = stat()
    if stat(target, &status) == 0 {
      if status.st_mode & S_IFMT == S_IFDIR { throw FileError.notWritten(path: path, reason: "it is a folder") }
      // Renaming asks for no permission on the file that it replaces.
      guard access(target, W_OK) == 0 else { throw FileError.notWritten(path: path, reason: systemMessage()) }
      if status.st_mode & S_IFMT != S_IFREG { return }
    }
    let folder = (target as NSString).deletingLastPathComponent
    guard access(folder.isEmpty ? "." : folder, W_OK | X_OK) == 0 else {
      throw FileError.notWritten(path: path, reason: systemMessage())
    }
  }

  /// The files that are being written, for ``abandonAll()``.
  private static let partial = Locked<Set<String>>([])

  /// Removes what is half written; for a process that is about to end.
  package static func abandonAll() {
    partial.withLock { for path in $0 { unlink(path) } }
  }

  /// Writes a file of bytes that are at hand.
  package static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws {
    try write(to: path) { append in try append(bytes) }
  }

  /// Where a path leads, by way of links; also to a file that is not there yet.
  private static func destination(of path: String) throws -> String {
    if path.utf8.contains(0) { throw FileError.notWritten(path: path, reason: "its name contains a zero byte") }
    var place = path
    for _ in 0..<40 {
      guard let link = try? FileManager.default.destinationOfSymbolicLink(atPath: place) else { return place }
      let folder = (place as NSString).deletingLastPathComponent
      place = link.hasPrefix("/") || folder.isEmpty ? link : folder + "/" + link
    }
    throw FileError.notWritten(path: path, reason: "too many links")
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

/// A value that one thread uses at a time.
private final class Locked<Value>: @unchecked Sendable {
  // Not a Mutex, whose locking ThreadSanitizer does not see on Linux.
  private let lock = NSLock()
  private var value: Value

  init(_ value: Value) { self.value = value }

  func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
    lock.withLock { body(&value) }
  }
}
