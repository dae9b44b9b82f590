"""The fault campaign: real processes, every fault, and a checker that stands outside."""
