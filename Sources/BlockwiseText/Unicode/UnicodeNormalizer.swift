/// Unicode normalisation forms over UTF-8 bytes (Unicode Standard Annex 15).
///
/// Own tables instead of the platform's library: the result then does not depend on which Unicode version the
/// system ships, and a process that tokenises does not load a library of tens of megabytes.
package struct UnicodeNormalizer: Sendable {
  package enum Form: String, Sendable, CaseIterable {
    case nfc = "NFC"
    case nfd = "NFD"
    case nfkc = "NFKC"
    case nfkd = "NFKD"

    var composes: Bool { self == .nfc || self == .nfkc }
    var isCompatible: Bool { self == .nfkc || self == .nfkd }
  }

  private let form: Form
  private let data: NormalizationData

  package init(_ form: Form) {
    self.form = form
    data = form.isCompatible ? .compatible : .canonical
  }

  /// The normal form of `text`, or nil when `text` is in that form already (the usual case, found in one scan).
  ///
  /// - Parameter text: valid UTF-8.
  package func normalized(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    guard mayChange(text) else { return nil }
    var scalars: [UInt32] = []
    var combiningClasses: [UInt8] = []
    scalars.reserveCapacity(text.count)
    combiningClasses.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      let (value, length) = UTF8Text.scalar(text, at: index)
      decompose(value, into: &scalars, combiningClasses: &combiningClasses)
      index += length
    }
    reorder(&scalars, &combiningClasses)
    if form.composes { compose(&scalars, &combiningClasses) }
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    for value in scalars { UTF8Text.append(value, to: &output) }
    return output
  }

  private func mayChange(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    // Below U+0300 every scalar is in NFC; below U+0080 in every form.
    let firstLead: UInt8 = form == .nfc ? 0xCC : 0x80
    var index = 0
    while index < text.count {
      guard text[index] >= firstLead else {
        index += 1
        continue
      }
      let (value, length) = UTF8Text.scalar(text, at: index)
      if !data.isInert(value, composing: form.composes) { return true }
      index += length
    }
    return false
  }

  private func decompose(
    _ value: UInt32, into scalars: inout [UInt32], combiningClasses: inout [UInt8]
  ) {
    if value < 0x80 {
      scalars.append(value)
      combiningClasses.append(0)
    } else if (Hangul.firstSyllable...Hangul.lastSyllable).contains(value) {
      for part in Hangul.decompose(value) {
        scalars.append(part)
        combiningClasses.append(0)
      }
    } else if let parts = data.decompositions[value] {
      for part in parts {
        scalars.append(part)
        combiningClasses.append(NormalizationData.combiningClass(part))
      }
    } else {
      scalars.append(value)
      combiningClasses.append(NormalizationData.combiningClass(value))
    }
  }

  /// The canonical ordering algorithm: a stable sort of every run of marks by combining class.
  private func reorder(_ scalars: inout [UInt32], _ combiningClasses: inout [UInt8]) {
    var start = 0
    while start < scalars.count {
      guard combiningClasses[start] != 0 else {
        start += 1
        continue
      }
      var end = start
      var isOrdered = true
      while end < scalars.count, combiningClasses[end] != 0 {
        if end > start, combiningClasses[end] < combiningClasses[end - 1] { isOrdered = false }
        end += 1
      }
      if !isOrdered {
        // A library sort, not an insertion sort: a text may be one mark repeated a million times.
        let order = (start..<end).sorted { (combiningClasses[$0], $0) < (combiningClasses[$1], $1) }
        let sortedScalars = order.map { scalars[$0] }
        let sortedClasses = order.map { combiningClasses[$0] }
        scalars.replaceSubrange(start..<end, with: sortedScalars)
        combiningClasses.replaceSubrange(start..<end, with: sortedClasses)
      }
      start = end
    }
  }

  /// The canonical composition algorithm, in place.
  private func compose(_ scalars: inout [UInt32], _ combiningClasses: inout [UInt8]) {
    var written = 0
    var starter: Int?
    for read in scalars.indices {
      let value = scalars[read]
      let combiningClass = combiningClasses[read]
      if let starter {
        // Blocked when something stands between the starter and this scalar with a class not below its own.
        let blocked =
          written > starter + 1
          && (combiningClasses[written - 1] >= combiningClass || combiningClasses[written - 1] == 0)
        if !blocked, let composite = data.composite(scalars[starter], value) {
          scalars[starter] = composite
          continue
        }
      }
      scalars[written] = value
      combiningClasses[written] = combiningClass
      if combiningClass == 0 { starter = written }
      written += 1
    }
    scalars.removeSubrange(written...)
    combiningClasses.removeSubrange(written...)
  }
}

/// Hangul syllables are composed by arithmetic (Unicode Standard, section 3.12).
enum Hangul {
  static let firstSyllable: UInt32 = 0xAC00
  static let lastSyllable: UInt32 = 0xD7A3
  private static let firstLead: UInt32 = 0x1100
  private static let firstVowel: UInt32 = 0x1161
  private static let beforeFirstTrail: UInt32 = 0x11A7
  private static let leadCount: UInt32 = 19
  private static let vowelCount: UInt32 = 21
  private static let trailCount: UInt32 = 28

  static func decompose(_ syllable: UInt32) -> [UInt32] {
    let index = syllable - firstSyllable
    let lead = firstLead + index / (vowelCount * trailCount)
    let vowel = firstVowel + index % (vowelCount * trailCount) / trailCount
    let trail = index % trailCount
    return trail == 0 ? [lead, vowel] : [lead, vowel, beforeFirstTrail + trail]
  }

  static func compose(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if (firstLead..<firstLead + leadCount).contains(first),
      (firstVowel..<firstVowel + vowelCount).contains(second)
    {
      return firstSyllable + ((first - firstLead) * vowelCount + second - firstVowel) * trailCount
    }
    if (firstSyllable...lastSyllable).contains(first), (first - firstSyllable) % trailCount == 0,
      (beforeFirstTrail + 1..<beforeFirstTrail + trailCount).contains(second)
    {
      return first + second - beforeFirstTrail
    }
    return nil
  }

  /// Vowels and trailing consonants, which may join the scalar before them.
  static func mayJoin(_ value: UInt32) -> Bool {
    (firstVowel..<firstVowel + vowelCount).contains(value)
      || (beforeFirstTrail + 1..<beforeFirstTrail + trailCount).contains(value)
  }
}
