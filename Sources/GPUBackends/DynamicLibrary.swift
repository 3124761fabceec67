#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A library that is opened when the program runs: the driver's own, which no build needs.
package struct DynamicLibrary: @unchecked Sendable {
  // Unchecked: the handle is only looked at, and never closed.

  /// Where the address of a function is, by its name.
  package let symbol: @Sendable (String) -> UnsafeMutableRawPointer?

  /// Functions from wherever the caller says.
  package init(symbol: @escaping @Sendable (String) -> UnsafeMutableRawPointer?) {
    self.symbol = symbol
  }

  /// Opens the first of some libraries that is there.
  ///
  /// - Throws: ``LibraryError/missing(_:)``.
  package init(named names: [String]) throws(LibraryError) {
    var reason: String?
    for name in names {
      if let handle = dlopen(name, RTLD_NOW | RTLD_LOCAL) {
        let address = UInt(bitPattern: handle)
        symbol = { dlsym(UnsafeMutableRawPointer(bitPattern: address), $0) }
        return
      }
      // The first name is the one that should be there.
      let words = dlerror().map { String(cString: $0) }
      reason = reason ?? words
    }
    throw .missing(reason ?? names.joined(separator: ", "))
  }

  /// A function of C, as the type that the caller knows it to have.
  package func function<Function>(_ name: String, as type: Function.Type = Function.self) throws(LibraryError)
    -> Function
  {
    guard let address = symbol(name) else { throw .symbol(name) }
    return unsafeBitCast(address, to: Function.self)
  }
}

/// Why a driver cannot be used.
package enum LibraryError: Error, Equatable, CustomStringConvertible {
  /// The library could not be opened; what the system says of it.
  case missing(String)
  /// The library lacks a function.
  case symbol(String)
  /// The library is there and says that it cannot work.
  case refused(String)

  package var description: String {
    switch self {
    case .missing(let reason): reason
    case .symbol(let name): "the driver has no function \(name)"
    case .refused(let reason): reason
    }
  }
}
