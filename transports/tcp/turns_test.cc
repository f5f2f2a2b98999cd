#include "transports/tcp/turns.h"

#include <string>

#include "asio/io_context.hpp"
#include "asio/post.hpp"
#include "gtest/gtest.h"

namespace tideway::tcp {
namespace {

// Moves a message of so many pieces in its turn.
class Mover {
 public:
  Mover(Turns& turns, char name, int pieces, std::string& moved)
      : turns_(turns), name_(name), left_(pieces), moved_(moved) {}

  void Ask() {
    turns_.Ask([this] { Move(); });
  }

 private:
  void Move() {
    moved_ += name_;
    if (--left_ > 0) {
      turns_.Again([this] { Move(); });
    } else {
      turns_.Pass();
    }
  }

  Turns& turns_;
  const char name_;
  int left_;
  std::string& moved_;
};

class TurnsTest : public ::testing::Test {
 protected:
  asio::io_context io;
  Turns turns{&io};
  std::string moved;
};

TEST_F(TurnsTest, AMessageIsMovedWholeBeforeItIsTheNextOnesTurnAndTheyKeepTheirOrder) {
  Mover a(turns, 'a', 3, moved);
  Mover b(turns, 'b', 2, moved);
  Mover c(turns, 'c', 1, moved);
  a.Ask();
  b.Ask();
  c.Ask();
  EXPECT_EQ(moved, "") << "a turn comes never inside the call";
  io.run();
  EXPECT_EQ(moved, "aaabbc");
}

TEST_F(TurnsTest, WhateverElseIsToBeDoneIsDoneBetweenTwoPieces) {
  Mover a(turns, 'a', 3, moved);
  Mover b(turns, 'b', 1, moved);
  a.Ask();
  b.Ask();
  asio::post(io, [&] {
    moved += '.';
    asio::post(io, [&] { moved += '.'; });
  });
  io.run();
  EXPECT_EQ(moved, "a.a.ab");
}

TEST_F(TurnsTest, TheTurnIsFreeAgainAfterTheLastOne) {
  Mover a(turns, 'a', 1, moved);
  Mover b(turns, 'b', 1, moved);
  a.Ask();
  io.run();
  io.restart();
  b.Ask();
  io.run();
  EXPECT_EQ(moved, "ab");
}

}  // namespace
}  // namespace tideway::tcp
