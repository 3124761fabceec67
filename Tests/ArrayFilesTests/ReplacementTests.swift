import ArrayFiles
import Foundation
import TestSupport
import Testing
import WatchedSystem

/// What becomes of a file that another replaces, and of the folder that it is in.
@Suite struct ReplacementTests {
  private let folder = TemporaryFolder()

  private func write(_ text: String, to path: String) throws {
    try AtomicFile.write(to: path) { append in try Array(text.utf8).withUnsafeBytes { try append($0) } }
  }

  private func status(_ path: String) -> stat {
    var status = stat()
    lstat(path, &status)
    return status
  }

  #if os(Linux)
    @Test func `a file is on the disk before it has its name, and its name before all is done`() throws {
      watched_start(0, 0)
      try write("new", to: folder.file("a"))
      #expect(String(cString: watched_stop()) == "frd")
    }

    @Test func `a file that does not reach the disk does not replace one`() throws {
      let path = folder.file("a")
      try write("old", to: path)
      watched_start(EIO, 0)
      #expect(throws: FileError.notWritten(path: path, reason: "Input/output error")) { try write("new", to: path) }
      #expect(String(cString: watched_stop()) == "f")
      #expect(try bytes(of: path) == Array("old".utf8))
      #expect(folder.contents == ["a"])
    }

    @Test func `a folder that does not reach the disk is told of, unless it cannot`() throws {
      let path = folder.file("a")
      watched_start(0, EIO)
      let error = #expect(throws: FileError.self) { try write("new", to: path) }
      _ = watched_stop()
      #expect("\(try #require(error))".contains("it is in its place, but not safely"))
      #expect(try bytes(of: path) == Array("new".utf8))
      for harmless in [EINVAL, ENOTSUP, EROFS] {
        watched_start(harmless, harmless)
        try write("newer", to: path)
        _ = watched_stop()
      }
    }

    @Test func `an access list is kept, and nobody is let in by the mode that it shows as`() throws {
      let path = folder.file("a")
      try write("old", to: path)
      guard watched_set_access_list(path) else { return }
      #expect(status(path).st_mode & 0o777 == 0o640)
      try write("new", to: path)
      #expect(watched_has_access_list(path))
      #expect(status(path).st_mode & 0o777 == 0o640)
    }
  #endif

  @Test func `rights to run a program as another are not handed on`() throws {
    let path = folder.file("a")
    for mode in [0o4711, 0o2755, 0o1644, 0o6777] as [mode_t] {
      try write("old", to: path)
      chmod(path, mode)
      try write("new", to: path)
      #expect(status(path).st_mode & 0o7777 == mode & 0o777)
    }
  }

  @Test(.enabled(if: geteuid() == 0, "only root can give files away"))
  func `owner and group are kept`() throws {
    let path = folder.file("a")
    try write("old", to: path)
    chown(path, 1000, 200)
    chmod(path, 0o640)
    try write("new", to: path)
    #expect(status(path).st_uid == 1000 && status(path).st_gid == 200 && status(path).st_mode & 0o7777 == 0o640)
  }

  @Test func `what a dead process left is removed, and nothing else`() throws {
    for name in [".instnorm-12-345", ".instnorm-notes", ".instnorm-1-2x", ".instnorm-1-2-3", ".instnorm-", "a"] {
      try TestSupport.write([1], to: folder.file(name))
    }
    #expect(mkfifo(folder.file(".instnorm-1-1"), 0o600) == 0)
    symlink("a", folder.file(".instnorm-1-3"))
    // Another process that lives would hold this.
    try TestSupport.write([1], to: folder.file(".instnorm-12-678"))
    let alive = open(folder.file(".instnorm-12-678"), O_RDWR)
    defer { close(alive) }
    #expect(flock(alive, LOCK_EX) == 0)
    try write("new", to: folder.file("b"))
    #expect(
      folder.contents == [
        ".instnorm-", ".instnorm-1-1", ".instnorm-1-2-3", ".instnorm-1-2x", ".instnorm-1-3", ".instnorm-12-678",
        ".instnorm-notes", "a", "b",
      ])
  }

  @Test func `writers in one folder leave each other's files alone`() throws {
    try AtomicFile.write(to: folder.file("a")) { append in
      try Array("outer".utf8).withUnsafeBytes { try append($0) }
      try write("inner", to: folder.file("b"))
      try write("inner", to: folder.file("a"))
    }
    #expect(try bytes(of: folder.file("a")) == Array("outer".utf8))
    #expect(folder.contents == ["a", "b"])
  }

  @Test func `what is open already is appended to, by any link to it`() throws {
    let path = folder.file("log")
    try TestSupport.write("line\n".utf8, to: path)
    let file = open(path, O_WRONLY | O_APPEND)
    defer { close(file) }
    symlink("/dev/fd/\(file)", folder.file("link"))
    symlink("link", folder.file("second"))
    let before = status(path).st_ino
    try write("one", to: folder.file("link"))
    try write("two", to: folder.file("second"))
    #expect(try bytes(of: path) == Array("line\nonetwo".utf8))
    #expect(status(path).st_ino == before)
    // Also one whose name is gone.
    unlink(path)
    try write("three", to: folder.file("link"))
    #expect(folder.contents == ["link", "second"])
    #expect(lseek(file, 0, SEEK_END) == 16)
    let reading = open(folder.path, O_RDONLY)
    defer { close(reading) }
    #expect(throws: FileError.self) { try write("x", to: "/dev/fd/\(reading)") }
  }
}
