"""Other ways to build a text relay, for the speed benchmark: what Relay's figures are divided by.

A slow baseline flatters. Each of these is meant to be what a competent team writes in an afternoon with the usual parts,
and where a choice was open, the faster one was taken and a comment says so. None of them is a model of how to do it: texts
lie in the clear, nothing is paced or tried again, and a crash at the wrong moment sends a text twice or not at all.
"""
