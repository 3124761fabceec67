import Calls
import Tensors

package struct ReferenceRearrange {
  private let call: RearrangeCall

  package init(_ call: RearrangeCall) { self.call = call }

  package func run() {
    let input = Values(call.input.address, call.input.dtype)
    call.extents.forEachPlace { place in
      // Where in the input, and how much of it: of the axes so far.
      var terms = [(offset: 0, weight: 1.0)]
      for axis in place.indices {
        let sources = call.sources(of: place[axis], axis)
        terms = terms.flatMap { term in
          sources.map { (term.offset + $0.place * call.input.strides[axis], term.weight * $0.weight) }
        }
      }
      // What has one source as it is stays as it is, an infinite one too.
      call.output[place] =
        terms.count == 1 && terms[0].weight == 1
        ? input[terms[0].offset] : terms.reduce(0) { $0 + $1.weight * input[$1.offset] }
    }
  }
}

extension RearrangeCall {
  fileprivate func sources(of place: Int, _ axis: Int) -> [(place: Int, weight: Double)] {
    guard let map = maps[axis] else { return [(place, 1)] }
    return (Int(map.starts[place])..<Int(map.starts[place + 1])).map {
      (Int(map.sources[$0]), map.weights?[$0] ?? 1)
    }
  }
}
