import Foundation

/// Where a path leads that is to be written to, when its links are followed.
enum Destination {
  /// A regular file, whether or not it is there yet.
  case file([UInt8])
  /// What this process has open under a number, as `/dev/stdout` is. It may be a regular file that others append to.
  case openFile(Int32)
  /// A device, a pipe, or a file that another process has open: written under the path itself.
  case special

  /// - Throws: ``FileError/notWritten(path:reason:)`` when there can be no such file or it may not be replaced.
  init(of path: String) throws {
    func fault(_ reason: String) -> FileError { .notWritten(path: path, reason: reason) }
    var place = path.fileNameBytes
    if place.isEmpty { throw fault("its name is empty") }
    if place.last == UInt8(ascii: "/") { throw fault("its name ends in a slash, as a folder's does") }
    if place.contains(0) { throw fault("its name contains a zero byte") }
    var status = stat()
    let exists = stat(Self.name(place), &status) == 0
    if exists {
      if status.st_mode & S_IFMT == S_IFDIR { throw fault("it is a folder") }
      // Renaming needs no permission on the file that it replaces.
      guard access(Self.name(place), W_OK) == 0 else { throw fault(systemMessage()) }
    }
    var links = 0
    while true {
      switch Self.processFile(place, exists ? status : nil) {
      case .own(let number):
        guard fcntl(number, F_GETFL) & O_ACCMODE != O_RDONLY else { throw fault("it is open for reading alone") }
        self = .openFile(number)
        return
      case .foreign:
        self = .special
        return
      case nil: break
      }
      guard let link = Self.link(place) else { break }
      links += 1
      if links > 40 { throw fault("too many links") }
      place = link.first == UInt8(ascii: "/") ? link : Self.folder(of: place) + [UInt8(ascii: "/")] + link
    }
    if exists, status.st_mode & S_IFMT != S_IFREG {
      self = .special
      return
    }
    guard access(Self.name(Self.folder(of: place)), W_OK | X_OK) == 0 else { throw fault(systemMessage()) }
    self = .file(place)
  }

  /// The folder that a file is in.
  static func folder(of path: [UInt8]) -> [UInt8] {
    let slash = UInt8(ascii: "/")
    guard let last = path.lastIndex(of: slash) else { return [UInt8(ascii: ".")] }
    let end = path[..<last].lastIndex { $0 != slash }
    return end.map { Array(path[...$0]) } ?? [slash]
  }

  private enum ProcessFile {
    case own(Int32)
    case foreign
  }

  /// What a path among a process's open files (`/proc/self/fd/1`) stands for; nil for other paths. To follow such a
  /// link by its text would be wrong: the text may name a file that is gone.
  private static func processFile(_ path: [UInt8], _ status: stat?) -> ProcessFile? {
    let folder = self.folder(of: path)
    var resolved = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    // Without /proc, only the name is left to go by.
    let parent =
      realpath(name(folder), &resolved) != nil
      ? resolved.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) } : folder
    let parts = String(decoding: parent, as: UTF8.self).split(separator: "/")
    guard parts == ["dev", "fd"] || (parts.first == "proc" && parts.last == "fd"),
      let number = path.split(separator: UInt8(ascii: "/")).last.flatMap({ Int32(String(decoding: $0, as: UTF8.self)) })
    else { return nil }
    var own = stat()
    guard fstat(number, &own) == 0 else { return .foreign }
    guard let status else { return parts == ["proc", "self", "fd"] ? .own(number) : .foreign }
    return own.st_dev == status.st_dev && own.st_ino == status.st_ino ? .own(number) : .foreign
  }

  /// What a symbolic link says; nil for what is none.
  private static func link(_ path: [UInt8]) -> [UInt8]? {
    var text = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = text.withUnsafeMutableBytes { buffer in
      buffer.baseAddress.map { readlink(name(path), $0, buffer.count) } ?? -1
    }
    return count < 0 ? nil : Array(text[..<count])
  }

  private static func name(_ path: [UInt8]) -> [CChar] { path.map { CChar(bitPattern: $0) } + [0] }
}
