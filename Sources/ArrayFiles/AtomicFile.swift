import Foundation
import Tensors

/// Writes files so that a reader finds the old one or the new one, and a failure leaves the old one as it was.
package enum AtomicFile {
  /// Writes a file by way of another beside it, which takes its place when it is complete.
  ///
  /// A link is followed, and the permissions of a file that is replaced are kept. A device or pipe is written directly.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - body: gets a function that appends bytes.
  /// - Throws: ``FileError/notWritten(path:reason:)``, and what `body` throws.
  package static func write(
    to path: String, _ body: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    guard let target = try destination(of: path) else {
      let descriptor = open(path, O_WRONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw FileError.notWritten(path: path, reason: systemMessage()) }
      return try fill(descriptor, path, body)
    }
    var status = stat()
    let mode = stat(target, &status) == 0 ? status.st_mode & 0o7777 : nil
    let temporary = folder(of: target) + "/.instnorm-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
    do {
      // Under the lock, so that no file exists without being listed. Whoever may not read the old file may not read its
      // replacement either.
      let descriptor = partial.withLock { names in
        names.insert(temporary)
        return open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode == nil ? 0o666 : 0o600)
      }
      guard descriptor >= 0 else { throw FileError.notWritten(path: path, reason: systemMessage()) }
      if let mode, fchmod(descriptor, mode) != 0 {
        close(descriptor)
        throw FileError.notWritten(path: path, reason: systemMessage())
      }
      try fill(descriptor, path, body)
      try partial.withLock { names in
        guard rename(temporary, target) == 0 else {
          throw FileError.notWritten(path: path, reason: systemMessage())
        }
        names.remove(temporary)
      }
    } catch {
      partial.withLock { names in
        unlink(temporary)
        names.remove(temporary)
      }
      throw error
    }
  }

  /// Writes a file that holds these bytes.
  package static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws {
    try write(to: path) { append in try append(bytes) }
  }

  /// Refuses a path to which nothing can be written.
  ///
  /// - Throws: ``FileError/notWritten(path:reason:)``.
  package static func check(_ path: String) throws {
    _ = try destination(of: path)
  }

  /// The files that are being written, for ``abandonAll(andEnd:)``.
  private static let partial = Locked<Set<String>>([])

  /// Removes all half-written files, and ends the process before any thread can go on writing.
  package static func abandonAll(andEnd end: () -> Void) {
    partial.withLock { names in
      for path in names { unlink(path) }
      end()
    }
  }

  /// Where a path leads when its links are followed, whether or not there is a file yet; nil for a device or a pipe,
  /// which is written under the path itself.
  ///
  /// - Throws: ``FileError/notWritten(path:reason:)`` when there can be no such file or it may not be replaced.
  private static func destination(of path: String) throws -> String? {
    func fault(_ reason: String) -> FileError { .notWritten(path: path, reason: reason) }
    if path.utf8.contains(0) { throw fault("its name contains a zero byte") }
    var status = stat()
    let exists = stat(path, &status) == 0
    if exists {
      if status.st_mode & S_IFMT == S_IFDIR { throw fault("it is a folder") }
      // Renaming needs no permission on the file that it replaces.
      guard access(path, W_OK) == 0 else { throw fault(systemMessage()) }
      if status.st_mode & S_IFMT != S_IFREG { return nil }
    }
    var place = path
    var links = 0
    while let link = try? FileManager.default.destinationOfSymbolicLink(atPath: place) {
      links += 1
      if links > 40 { throw fault("too many links") }
      place = link.hasPrefix("/") ? link : folder(of: place) + "/" + link
    }
    guard access(folder(of: place), W_OK | X_OK) == 0 else { throw fault(systemMessage()) }
    return place
  }

  private static func folder(of path: String) -> String {
    let folder = (path as NSString).deletingLastPathComponent
    return folder.isEmpty ? "." : folder
  }

  /// Writes all of a file and closes it.
  private static func fill(
    _ descriptor: Int32, _ path: String,
    _ body: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
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
    // Without this, a crash of the system may leave the new name without the contents. Pipes and devices refuse it.
    if fsync(descriptor) != 0, errno != EINVAL, errno != EROFS, errno != ENOTSUP {
      throw FileError.notWritten(path: path, reason: systemMessage())
    }
    isOpen = false
    guard close(descriptor) == 0 else { throw FileError.notWritten(path: path, reason: systemMessage()) }
  }
}
