import Calls
import Tensors

// The same values can often be seen as planes of another kind, that cost less.

extension Planes {
  /// Planes of one value are in memory as if maps alternated, and these are worked on together.
  fileprivate var regrouped: Planes {
    guard layout == .nchw, size == 1 else { return self }
    return Planes(dtype: dtype, layout: .nhwc, images: images, maps: maps, size: 1)
  }

  /// The maps of all pictures as those of one, where they alternate in memory.
  fileprivate var asOnePicture: Planes {
    Planes(dtype: dtype, layout: layout, images: 1, maps: maps, size: images * size)
  }

  /// Those of the first picture alone.
  var ofFirstPicture: Planes { Planes(dtype: dtype, layout: layout, images: 1, maps: maps, size: size) }

  /// How much work they are, in values: the statistics of a plane, and what is made of them, cost as much as some.
  var work: Int { count * max(size, 16) }

  /// Whether each plane's values lie together.
  var areContiguous: Bool { layout == .nchw || maps == 1 }
}

extension NormCall {
  /// The call on planes that cost less; of one picture, statistics are written for the first alone.
  var regrouped: NormCall {
    var call = self
    call.planes = planes.regrouped
    if call.planes.areOnePicture(sharing, scale, bias) {
      call.planes = call.planes.asOnePicture
      call.sharing = .instance
    }
    return call
  }

  /// Gives the statistics of the first picture to all.
  func repeatStatistics(threads: Int) {
    let shares = ThreadedWork.shareCount(items: planes.images - 1, values: planes.count, threads: threads)
    func repeated(_ statistics: UnsafeMutablePointer<Double>?, _ images: Range<Int>) {
      guard let statistics else { return }
      for image in images { (statistics + (image + 1) * planes.maps).update(from: statistics, count: planes.maps) }
    }
    ThreadedWork.run(items: planes.images - 1, values: planes.count, shares: shares) { _, items in
      repeated(mean, items)
      repeated(invStd, items)
    }
  }
}

extension NormGradientCall {
  /// The call on planes that cost less.
  var regrouped: NormGradientCall {
    var call = self
    call.planes = planes.regrouped
    if call.planes.areOnePicture(sharing, scale, bias) {
      call.planes = call.planes.asOnePicture
      call.sharing = .instance
    }
    return call
  }
}
