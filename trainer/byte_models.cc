#include "trainer/byte_models.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace tideway::trainer {
namespace {

constexpr double kVocabulary = 256;

// Numbers the bytes that occur, so that tables need room for those only.
class Alphabet {
 public:
  explicit Alphabet(std::initializer_list<absl::string_view> texts) {
    for (absl::string_view text : texts) {
      for (char c : text) {
        int16_t& number = numbers_[static_cast<uint8_t>(c)];
        if (number < 0) number = static_cast<int16_t>(size_++);
      }
    }
  }
  size_t operator()(char c) const { return static_cast<size_t>(numbers_[static_cast<uint8_t>(c)]); }
  size_t size() const { return size_; }

 private:
  std::array<int16_t, 256> numbers_ = [] {
    std::array<int16_t, 256> none;
    none.fill(-1);
    return none;
  }();
  size_t size_ = 0;
};

// How often each byte followed each history of one fixed length.
class Followers {
 public:
  Followers(size_t histories, size_t alphabet)
      : alphabet_(alphabet), counts_(histories * alphabet), totals_(histories), kinds_(histories) {}

  void Count(size_t history, size_t next) {
    if (counts_[history * alphabet_ + next]++ == 0) ++kinds_[history];
    ++totals_[history];
  }

  // `shorter` is the probability after the history without its oldest byte.
  double Probability(size_t history, size_t next, double shorter) const {
    const double n = totals_[history], t = kinds_[history];
    if (n == 0) return shorter;
    return (counts_[history * alphabet_ + next] + t * shorter) / (n + t);
  }

 private:
  size_t alphabet_;
  std::vector<uint32_t> counts_, totals_, kinds_;
};

}  // namespace

ByteModelLosses MeasureByteModels(absl::string_view training, absl::string_view held_out) {
  const Alphabet number({training, held_out});
  const size_t alphabet = number.size();
  const auto pair = [&](absl::string_view text, size_t i) {
    return number(text[i - 2]) * alphabet + number(text[i - 1]);
  };
  std::vector<uint64_t> singles(alphabet);
  Followers after_one(alphabet, alphabet), after_two(alphabet * alphabet, alphabet);
  for (size_t i = 0; i < training.size(); ++i) {
    const size_t next = number(training[i]);
    ++singles[next];
    if (i >= 1) after_one.Count(number(training[i - 1]), next);
    if (i >= 2) after_two.Count(pair(training, i), next);
  }

  ByteModelLosses sum;
  for (size_t i = 0; i < held_out.size(); ++i) {
    const size_t next = number(held_out[i]);
    const double p1 = (static_cast<double>(singles[next]) + 1.0) /
                      (static_cast<double>(training.size()) + kVocabulary);
    double p = p1;
    if (i >= 1) p = after_one.Probability(number(held_out[i - 1]), next, p);
    if (i >= 2) p = after_two.Probability(pair(held_out, i), next, p);
    sum.unigram -= std::log(p1);
    sum.order2 -= std::log(p);
  }
  const double bytes = static_cast<double>(held_out.size());
  return {sum.unigram / bytes, sum.order2 / bytes};
}

}  // namespace tideway::trainer
