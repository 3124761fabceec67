import ArrayFiles
import Foundation
import TestSupport
import Testing

@Suite struct AtomicFileTests {
  private let folder = TemporaryFolder()

  private struct Failure: Error {}

  private func append(_ text: String, to path: String, thenFail: Bool = false) throws {
    try AtomicFile.write(to: path) { append in
      try Array(text.utf8).withUnsafeBytes { try append($0) }
      if thenFail { throw Failure() }
    }
  }

  @Test func `a file is written, and written over`() throws {
    let path = folder.file("a")
    try append("one", to: path)
    try append("two", to: path)
    #expect(try bytes(of: path) == Array("two".utf8))
    #expect(folder.contents == ["a"])
  }

  @Test func `a failure half way leaves the old file and nothing else`() throws {
    let path = folder.file("a")
    try append("old", to: path)
    #expect(throws: Failure.self) { try append("new", to: path, thenFail: true) }
    #expect(try bytes(of: path) == Array("old".utf8))
    #expect(throws: Failure.self) { try append("new", to: folder.file("b"), thenFail: true) }
    #expect(folder.contents == ["a"])
  }

  @Test func `half-written files are removed when the process has to end`() async {
    // In a process of its own, because it removes the half-written files of all other tests too.
    await #expect(processExitsWith: .success) {
      let folder = TemporaryFolder()
      #expect(throws: FileError.self) {
        try AtomicFile.write(to: folder.file("a")) { append in
          try Array("half".utf8).withUnsafeBytes { try append($0) }
          #expect(folder.contents.count == 1)
          AtomicFile.abandonAll {}
          #expect(folder.contents == [])
        }
      }
    }
  }

  @Test func `a zero byte does not cut a name short`() throws {
    #expect(throws: FileError.self) { try append("x", to: folder.file("a\0b")) }
    #expect(throws: FileError.self) { try NPY.read(from: golden("form_rank_0.npy") + "\0x") }
    #expect(folder.contents == [])
  }

  @Test func `until all is written a reader finds the old file`() throws {
    let path = folder.file("a")
    try append("old", to: path)
    try AtomicFile.write(to: path) { append in
      try Array("new".utf8).withUnsafeBytes { try append($0) }
      #expect(try bytes(of: path) == Array("old".utf8))
    }
    #expect(try bytes(of: path) == Array("new".utf8))
  }

  @Test func `links are followed and permissions kept`() throws {
    let (path, link) = (folder.file("a"), folder.file("link"))
    try append("old", to: path)
    chmod(path, 0o640)
    symlink(path, link)
    try append("new", to: link)
    #expect(try bytes(of: path) == Array("new".utf8))
    var status = stat()
    lstat(link, &status)
    #expect(status.st_mode & S_IFMT == S_IFLNK)
    stat(path, &status)
    #expect(status.st_mode & 0o777 == 0o640)
  }

  @Test func `a link to a file that is not there yet creates that file`() throws {
    symlink("target", folder.file("link"))
    try append("new", to: folder.file("link"))
    #expect(folder.contents == ["link", "target"])
    #expect(try bytes(of: folder.file("target")) == Array("new".utf8))
    symlink("loop", folder.file("loop"))
    #expect(throws: FileError.self) { try append("new", to: folder.file("loop")) }
  }

  @Test func `names of any legal length are written`() throws {
    let name = String(repeating: "字", count: 83)
    try append("new", to: folder.file(name))
    try append("newer", to: folder.file(name))
    #expect(folder.contents == [name])
  }

  @Test(.disabled(if: geteuid() == 0, "root may write everything"))
  func `a file that may not be written is not replaced`() throws {
    let path = folder.file("a")
    try append("old", to: path)
    chmod(path, 0o444)
    #expect(throws: FileError.notWritten(path: path, reason: "Permission denied")) { try append("new", to: path) }
    #expect(try bytes(of: path) == Array("old".utf8))
  }

  @Test func `devices are written to and not replaced`() throws {
    try append("gone", to: "/dev/null")
    var status = stat()
    stat("/dev/null", &status)
    #expect(status.st_mode & S_IFMT == S_IFCHR)
    #expect(throws: FileError.self) { try append("x", to: "/dev/full") }
  }

  @Test func `pipes are written to by any of their names`() throws {
    let pipe = Pipe()
    let name = "/dev/fd/\(pipe.fileHandleForWriting.fileDescriptor)"
    symlink(name, folder.file("link"))
    try append("one", to: name)
    try append("two", to: folder.file("link"))
    try pipe.fileHandleForWriting.close()
    #expect(Array(pipe.fileHandleForReading.readDataToEndOfFile()) == Array("onetwo".utf8))
    #expect(folder.contents == ["link"])
  }

  @Test func `what replaces a private file is private from the start`() throws {
    let path = folder.file("a")
    try append("old", to: path)
    chmod(path, 0o600)
    try AtomicFile.write(to: path) { append in
      for name in folder.contents {
        var status = stat()
        stat(folder.file(name), &status)
        #expect(status.st_mode & 0o077 == 0)
      }
    }
  }

  @Test func `folders, and places that are not there, throw`() throws {
    #expect(throws: FileError.notWritten(path: folder.path, reason: "it is a folder")) {
      try append("x", to: folder.path)
    }
    let nowhere = folder.file("no/where")
    #expect(throws: FileError.notWritten(path: nowhere, reason: "No such file or directory")) {
      try append("x", to: nowhere)
    }
  }
}
