import Foundation
import Tensors

/// Writes files so that a reader finds the old one or the new one, and a failure leaves the old one as it was.
package enum AtomicFile {
  /// Writes a file by way of another beside it, which takes its place when it is complete.
  ///
  /// A link is followed. What replaces a file has its permissions, group and, where the system allows it, owner, and
  /// nobody may read it who could not read the old one. A device, a pipe and what is open already (`/dev/stdout`) are
  /// written directly. What other processes left beside the file when they were killed is removed.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - body: gets a function that appends bytes.
  /// - Throws: ``FileError/notWritten(path:reason:)``, and what `body` throws.
  package static func write(
    to path: String, _ body: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    switch try Destination(of: path) {
    case .file(let target): try replace(target, path, body)
    case .openFile(let number):
      // A second number of the same open file: bytes go where its next ones would.
      try fill(opened(fcntl(number, F_DUPFD_CLOEXEC, 3), path), path, body)
    case .special: try fill(opened(open(path.fileName, O_WRONLY | O_APPEND | O_CLOEXEC), path), path, body)
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
    _ = try Destination(of: path)
  }

  /// The files that are being written, for ``abandonAll(andEnd:)``.
  private static let partial = Locked<Set<[CChar]>>([])

  /// Removes all half-written files, and ends the process before any thread can go on writing.
  package static func abandonAll(andEnd end: () -> Void) {
    partial.withLock { names in
      for name in names { unlink(name) }
      end()
    }
  }

  private static func opened(_ descriptor: Int32, _ path: String) throws -> Int32 {
    guard descriptor >= 0 else { throw FileError.notWritten(path: path, reason: systemMessage()) }
    return descriptor
  }

  private static func replace(
    _ target: [UInt8], _ path: String, _ body: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    func fault() -> FileError { .notWritten(path: path, reason: systemMessage()) }
    let folder = Destination.folder(of: target)
    LeftOvers.remove(from: folder)
    let name = target.map { CChar(bitPattern: $0) } + [0]
    var old = stat()
    let replacesOne = stat(name, &old) == 0
    let (temporary, descriptor) = try create(in: folder, mode: replacesOne ? 0o600 : 0o666, path)
    do {
      if replacesOne, !Access.copy(of: old, name, to: descriptor) {
        let error = fault()
        close(descriptor)
        throw error
      }
      // Keeps the lock until the file has its name.
      let second = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
      defer { close(second) }
      try fill(descriptor, path, body)
      try partial.withLock { names in
        guard rename(temporary, name) == 0 else { throw fault() }
        names.remove(temporary)
      }
    } catch {
      partial.withLock { names in
        // The name may be another's by now if this one is no longer listed.
        if names.remove(temporary) != nil { unlink(temporary) }
      }
      throw error
    }
    try sync(folder, path)
  }

  /// Makes a new file to write to, and locks it for as long as it is open.
  private static func create(in folder: [UInt8], mode: mode_t, _ path: String) throws -> ([CChar], Int32) {
    for _ in 0..<100 {
      let name = LeftOvers.newName(in: folder)
      // Under the lock, so that no file exists without being listed. Whoever may not read the old file may not read its
      // replacement either.
      let descriptor = partial.withLock { names in
        names.insert(name)
        return open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode)
      }
      guard descriptor >= 0 else {
        let reason = systemMessage()
        _ = partial.withLock { $0.remove(name) }
        throw FileError.notWritten(path: path, reason: reason)
      }
      if LeftOvers.lock(descriptor) { return (name, descriptor) }
      // Another process has taken it for a left-over, between the two calls.
      close(descriptor)
      partial.withLock { names in
        unlink(name)
        names.remove(name)
      }
    }
    throw FileError.notWritten(path: path, reason: "its temporary file is removed again and again")
  }

  /// Without this, a crash of the system may bring the old file back.
  private static func sync(_ folder: [UInt8], _ path: String) throws {
    let descriptor = open(folder.map { CChar(bitPattern: $0) } + [0], O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    // A folder may be written to and not read.
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    if fsync(descriptor) != 0, !cannotSync(errno) {
      throw FileError.notWritten(path: path, reason: "it is in its place, but not safely: \(systemMessage())")
    }
  }

  private static func cannotSync(_ number: Int32) -> Bool { [EINVAL, EROFS, ENOTSUP].contains(number) }

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
    if fsync(descriptor) != 0, !cannotSync(errno) {
      throw FileError.notWritten(path: path, reason: systemMessage())
    }
    isOpen = false
    guard close(descriptor) == 0 else { throw FileError.notWritten(path: path, reason: systemMessage()) }
  }
}
