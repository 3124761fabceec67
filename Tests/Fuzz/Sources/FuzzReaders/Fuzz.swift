import Foundation
import InstanceNorm

/// What libFuzzer calls with bytes of its own making.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  scratch.fill(UnsafeBufferPointer(start: bytes, count: count))
  do {
    try reader.read(scratch.path)
  } catch let error as FileError {
    check("\(error)")
  } catch let error as TensorError {
    check("\(error)")
  } catch let error as ModuleError {
    check("\(error)")
  } catch {
    preconditionFailure("an error of a type that is not documented: \(error)")
  }
  return 0
}

/// An error has to fit a line or two of a terminal, and nothing in it may move the cursor.
private func check(_ message: String) {
  precondition(message.utf8.count < 2000, "an error of \(message.utf8.count) bytes")
  precondition(!message.utf8.contains { $0 < 0x20 }, "a control character in an error: \(message)")
}

private let reader: Reader = {
  let name = ProcessInfo.processInfo.environment["FUZZ_READER"] ?? ""
  guard let reader = Reader(rawValue: name) else {
    fatalError("FUZZ_READER is '\(name)'; expected one of \(Reader.allCases.map(\.rawValue))")
  }
  return reader
}()

/// A file in memory, written again for each input.
private struct Scratch {
  private let descriptor: Int32
  let path: String

  init() {
    let template = "/dev/shm/instnorm-fuzz-XXXXXX"
    var name = (access("/dev/shm", W_OK) == 0 ? template : "/tmp/instnorm-fuzz-XXXXXX").utf8CString.map { $0 }
    descriptor = mkstemp(&name)
    precondition(descriptor >= 0, "no temporary file")
    unlink(name)
    path = "/dev/fd/\(descriptor)"
  }

  func fill(_ bytes: UnsafeBufferPointer<UInt8>) {
    precondition(ftruncate(descriptor, 0) == 0 && pwrite(descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count)
  }
}

private let scratch = Scratch()
