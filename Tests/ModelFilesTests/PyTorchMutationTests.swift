import ArrayFiles
import ModelFiles
import TestSupport
import Testing

/// Good files with a few random changes, thousands of them, and good files that are cut off: each is read or refused,
/// none traps, and none takes much more memory than it has bytes. Memory is counted by process, so each test has one.
@Suite struct PyTorchMutationTests {
  private static func readAll(_ path: String) throws {
    let file = try PyTorchFile(contentsOf: path)
    for name in file.names { _ = try? file.tensor(named: name) }
  }

  @Test func `mutated files of both formats`() async {
    await #expect(processExitsWith: .success) {
      for (name, header) in [
        ("torch_state.pth", 4200), ("torch_state_before_zip.pth", 3000), ("torch_checkpoint.pth", 4500),
      ] {
        let fed = try Feeding(bytes(of: golden(name)), header: header, count: 1500) { try Self.readAll($0) }
        #expect(fed.read > 20 && fed.refused > 500 && fed.isFrugal)
      }
    }
  }

  /// Changes where an archive says what is where, which are its last bytes.
  @Test func `mutated lists of files`() async {
    await #expect(processExitsWith: .success) {
      let original = try bytes(of: golden("torch_protocol_4.pth"))
      let fed = try Feeding(Array(original.reversed()), header: 700, count: 1500) { path in
        try write(bytes(of: path).reversed(), to: path)
        try Self.readAll(path)
      }
      #expect(fed.read > 20 && fed.refused > 500 && fed.isFrugal)
    }
  }

  @Test(arguments: ["torch_protocol_3.pth", "torch_protocol_4.pth", "torch_view_of_2017.pth"])
  func `every truncation is refused`(name: String) throws {
    let folder = TemporaryFolder(inMemory: true)
    let original = try bytes(of: golden(name))
    for length in 0..<original.count {
      try write(original[..<length], to: folder.file("short"))
      #expect(throws: FileError.self) { try PyTorchFile(contentsOf: folder.file("short")) }
    }
  }
}
