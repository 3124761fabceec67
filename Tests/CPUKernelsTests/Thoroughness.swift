import TestSupport

/// How thorough tests can be that look at every size: unoptimised and watched builds take ten times as long.
enum Thoroughness {
  #if DEBUG
    static let isFull = false
  #else
    static let isFull = !Sanitizer.isAddress && !Sanitizer.isThread
  #endif

  static func sizes(_ range: ClosedRange<Int>) -> [Int] {
    isFull ? Array(range) : range.filter { $0 < 4 || $0 % 19 == 16 }
  }

  /// So many where tests are thorough, a few elsewhere.
  static func count(_ full: Int) -> Int { isFull ? full : max(full / 20, 10) }

  static let lengths: [Int] = isFull ? Array(0...70) : [0, 1, 15, 16, 17, 33, 67]
}
